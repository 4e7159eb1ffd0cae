"""Drives unmodified `lua-device-client` devices for the tests: words in on stdin, words out on stdout, one JSON object a line.

In:  {"do":"connect","name":N}  {"do":"trigger","name":N,"trigger":T,"payload":P}  {"do":"disconnect","name":N}
Out: {"saw":"connected"|"disconnected"|"reconnected"|"command"|"ack"|"error"|"failed", "name":N, ...}
"""

import asyncio
import json
import sys

import lua_device.client
from lua_device import DeviceClient, DeviceCommandDefinition

# Tests do not wait for half a minute.
lua_device.client.HEARTBEAT_INTERVAL_S = 1

url, agent, key = sys.argv[1:4]
devices = {}


def say(saw, name, **more):
    # One write a line: print would let another thread in between text and line end.
    sys.stdout.write(json.dumps({"saw": saw, "name": name, **more}) + "\n")
    sys.stdout.flush()


COMMANDS = [
    DeviceCommandDefinition(
        name="read_temp",
        description="Read the temperature",
        input_schema={
            "type": "object",
            "properties": {"unit": {"type": "string", "enum": ["c", "f"]}},
            "required": ["unit"],
        },
        timeout_ms=5000,
        retry={"max_attempts": 2, "backoff_ms": 1000},
    ),
    DeviceCommandDefinition(name="echo", description="Give back the payload"),
    DeviceCommandDefinition(name="fail", description="Always fails"),
    DeviceCommandDefinition(name="sleep", description="Answers late"),
]


def make(name):
    device = DeviceClient(
        agent_id=agent, device_name=name, api_key=key, mqtt_url=url, commands=COMMANDS, group="test-group"
    )

    async def read_temp(payload):
        say("command", name, command="read_temp", payload=payload)
        return {"t": 22.5, "unit": payload["unit"]}

    async def echo(payload):
        say("command", name, command="echo", payload=payload)
        return payload

    async def fail(payload):
        say("command", name, command="fail", payload=payload)
        raise RuntimeError("the sensor is broken")

    async def sleep(payload):
        say("command", name, command="sleep", payload=payload)
        await asyncio.sleep(payload["seconds"])
        return "awake"

    for handler in (read_temp, echo, fail, sleep):
        device.on_command(handler.__name__, handler)
    for event in ("connected", "reconnected"):
        device.on(event, lambda event=event: say(event, name))
    device.on("disconnected", lambda reason: say("disconnected", name, reason=reason))
    device.on("error", lambda data: say("error", name, data=data))
    return device


async def obey(order):
    name = order["name"]
    try:
        if order["do"] == "connect":
            devices[name] = make(name)
            await devices[name].connect()
        elif order["do"] == "trigger":
            ack = await devices[name].trigger(order["trigger"], order["payload"])
            say("ack", name, triggerId=ack.trigger_id, received=ack.received, error=ack.error)
        elif order["do"] == "disconnect":
            await devices[name].disconnect()
            say("left", name)
    except Exception as error:  # the test decides what is an error
        say("failed", name, error=str(error))


async def main():
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tasks = set()
    while line := await lines.readline():
        task = asyncio.create_task(obey(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
