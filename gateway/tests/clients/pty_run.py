"""Runs a program in a terminal of its own and answers its prompts.

usage: pty_run.py TIMEOUT_S [PROMPT=ANSWER ...] -- PROGRAM ARGS...

Prints all that the program wrote, without colours, and ends with its exit code.
"""

import os
import pty
import re
import select
import sys
import time

split = sys.argv.index("--")
deadline = time.monotonic() + float(sys.argv[1])
prompts = [tuple(pair.split("=", 1)) for pair in sys.argv[2:split]]
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[split + 1], sys.argv[split + 1:])

written = b""
answered_to = 0
while True:
    ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        os.kill(child, 9)
        sys.stdout.buffer.write(written)
        sys.exit("timeout")
    try:
        chunk = os.read(terminal, 65536)
    except OSError:
        chunk = b""
    if not chunk:
        break
    written += chunk
    if prompts and prompts[0][0].encode() in written[answered_to:]:
        answered_to = len(written)
        os.write(terminal, prompts.pop(0)[1].encode() + b"\r")

_, status = os.waitpid(child, 0)
text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", written).decode(errors="replace")
sys.stdout.write(text)
sys.exit(os.waitstatus_to_exitcode(status))
