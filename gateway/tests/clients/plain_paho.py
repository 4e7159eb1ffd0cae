"""A device on paho-mqtt that knows nothing of Lua but its topics. Arguments: URL, agent, key, device name,
file of the authority that is trusted where the URL means TLS.

In:  {"trigger":T,"payload":P}    a line each
Out: {"saw":WORD,...}             connected, ready, command, puback, ack, error
"""

import json
import sys
from urllib.parse import urlparse

import paho.mqtt.client as mqtt

url, agent, key, name, authority = sys.argv[1:6]
address = urlparse(url)
prefix = f"lua/devices/{agent}/{name}/"


def say(saw, **more):
    # One write a line: print would let another thread in between text and line end.
    sys.stdout.write(json.dumps({"saw": saw, **more}) + "\n")
    sys.stdout.flush()


def connected(device, _data, _flags, reason, _properties):
    if reason.is_failure:
        return say("error", message=str(reason))
    say("connected")
    device.subscribe([(prefix + suffix, 1) for suffix in ("command", "connected", "trigger_ack", "error")])
    commands = [{"name": "echo", "description": "Gives the payload back"}]
    status = {"status": "online", "apiKey": key, "group": None, "commands": commands}
    device.publish(prefix + "status", json.dumps(status), qos=1)


def heard(device, _data, message):
    words = json.loads(message.payload or b"{}")
    suffix = message.topic.removeprefix(prefix)
    if suffix == "connected":
        say("ready")
    elif suffix == "trigger_ack":
        say("ack", received=words["received"], triggerId=words["triggerId"])
    elif suffix == "error":
        say("error", **words)
    elif suffix == "command":
        say("command", payload=words["payload"])
        answer = {"commandId": words["commandId"], "success": True, "data": words["payload"]}
        device.publish(prefix + "response", json.dumps(answer), qos=1)


transport = "websockets" if address.scheme in ("ws", "wss") else "tcp"
device = mqtt.Client(
    mqtt.CallbackAPIVersion.VERSION2, client_id=f"lua-{agent}-{name}", clean_session=True, transport=transport
)
if transport == "websockets":
    device.ws_set_options(path=address.path)
if address.scheme in ("mqtts", "wss"):
    device.tls_set(ca_certs=authority)
device.username_pw_set(f"{agent}:{name}", key)
device.will_set(prefix + "status", '{"status":"offline"}', qos=1, retain=True)
device.on_connect, device.on_message = connected, heard
device.connect(address.hostname, address.port)
device.loop_start()
for line in sys.stdin:
    order = json.loads(line)
    body = json.dumps({"triggerName": order["trigger"], "payload": order["payload"]})
    device.publish(prefix + "trigger", body, qos=1).wait_for_publish()
    say("puback")
