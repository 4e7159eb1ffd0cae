# The unmodified MicroPython client under the real interpreter, as on a board: handlers, then `run()`, which never returns.
#
# Arguments: the folder of umqtt and of the client as it lies on a board (lua_device.py), host, port, agent, key, device name.
# It prints what the client prints, and "saw puback N" when a trigger that a handler fired is acknowledged.

import sys
import ssl

folder, host, port, agent, key, name = sys.argv[1:7]
sys.modules["ussl"] = ssl  # umqtt asks for it under its old name
sys.path.insert(0, folder)

from lua_device import LuaDevice

device = LuaDevice(agent, key, name, server=host, port=int(port), group="boards")
device._heartbeat_interval = 2  # seconds, so that some of them follow in a test's time


def read(payload):
    return {"n": payload["n"], "t": 22.5}


def fire(payload):
    device.trigger("hot", payload)
    print("saw puback", payload["n"])
    return {"fired": payload["n"]}


device.on_command("read", read, description="Read the sensor")
device.on_command("fire", fire, description="Fire a trigger")
device.run()
