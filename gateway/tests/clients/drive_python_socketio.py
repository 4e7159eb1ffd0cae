"""A device on stock `python-socketio`, sync or asyncio: python drive_python_socketio.py FLAVOUR URL AGENT KEY NAME TRANSPORTS"""

import asyncio
import sys

import socketio

flavour, url, agent, key, name, transports = sys.argv[1:7]
auth = {
    "apiKey": key,
    "agentId": agent,
    "deviceName": name,
    "commands": [{"name": "echo", "description": "Give back the payload"}],
}
options = {"auth": auth, "namespaces": ["/devices"]}
if transports != "default":
    options["transports"] = [transports]


def answer(command):
    return {"commandId": command["commandId"], "success": True, "data": command.get("payload")}


def sync():
    client = socketio.Client()
    client.on("command", lambda command: client.emit("response", answer(command), namespace="/devices"), "/devices")
    client.connect(url, **options)
    client.wait()


async def main():
    client = socketio.AsyncClient()

    async def command(message):
        await client.emit("response", answer(message), namespace="/devices")

    client.on("command", command, "/devices")
    await client.connect(url, **options)
    await client.wait()


if flavour == "sync":
    sync()
else:
    asyncio.run(main())
