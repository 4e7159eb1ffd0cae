"""Drives devices on stock `python-socketio` for the tests, with the words of drive_socketio.mjs.

  python drive_python_socketio.py URL AGENT KEY TRANSPORTS FLAVOUR     FLAVOUR: sync or asyncio
"""

import asyncio
import json
import sys
import threading
import time

import socketio

url, agent, key, transports, flavour = sys.argv[1:6]
BEAT_S = 1
NAMESPACE = "/devices"
devices = {}
lock = threading.Lock()

COMMANDS = [
    {
        "name": "read_temp",
        "description": "Read the temperature",
        "inputSchema": {
            "type": "object",
            "properties": {"unit": {"type": "string", "enum": ["c", "f"]}},
            "required": ["unit"],
        },
        "timeoutMs": 5000,
        "retry": {"maxAttempts": 2, "backoffMs": 1000},
    },
    {"name": "echo", "description": "Give back the payload"},
    {"name": "fail", "description": "Always fails"},
    {"name": "sleep", "description": "Answers late"},
]


def say(saw, name, **more):
    # Threads of several devices speak: one line is one write.
    with lock:
        sys.stdout.write(json.dumps({"saw": saw, "name": name, **more}) + "\n")
        sys.stdout.flush()


def options(name, auth):
    told = {"apiKey": key, "agentId": agent, "deviceName": name, "commands": COMMANDS, "group": "test-group", **auth}
    chosen = {} if transports == "default" else {"transports": [transports]}
    return {"auth": told, "namespaces": [NAMESPACE], **chosen}


def refusal(error):
    """Of the gateway, or, as a text, of a server that is not there."""
    return {"message": error["message"], "data": error.get("data")} if isinstance(error, dict) else {"message": error}


def listen(client, name):
    """What a device only tells."""
    on = lambda event, handler: client.on(event, handler, NAMESPACE)
    on("connected", lambda payload: say("connected", name, payload=payload, transport=client.transport()))
    on("trigger_ack", lambda data: say("ack", name, **data))
    for event in ("trigger_error", "pong", "error"):
        on(event, lambda data, event=event: say(event, name, data=data))
    on("disconnect", lambda reason: say("disconnected", name, reason=reason))
    on("connect_error", lambda error: say("refused", name, **refusal(error)))


def outcome(message):
    """The answer to a command, and how long it takes."""
    command, payload = message["command"], message.get("payload")
    answer = {"commandId": message["commandId"], "success": True}
    if command == "read_temp":
        return {**answer, "data": {"t": 22.5, "unit": payload["unit"]}}, 0
    if command == "echo":
        return {**answer, "data": payload}, 0
    if command == "sleep":
        return {**answer, "data": "awake"}, payload["seconds"]
    return {**answer, "success": False, "error": "the sensor is broken"}, 0


def emission(order):
    """The arguments of an emit that a test orders."""
    name, data = order["name"], list(order.get("arguments", []))
    if order.get("binary"):
        data.append(b"\1\2\3")
    back = (lambda *data: say("called back", name, data=data)) if order.get("callback") else None
    return order["event"], tuple(data) if data else None, NAMESPACE, back


def trigger(order):
    return "trigger", {"triggerName": order["trigger"], "payload": order["payload"]}, NAMESPACE


class Sync:
    """Devices with a thread for each of their doings."""

    def make(self, name):
        client = socketio.Client()
        listen(client, name)

        def command(message):
            say("command", name, command=message["command"], payload=message.get("payload"))
            answer, seconds = outcome(message)
            time.sleep(seconds)
            client.emit("response", answer, NAMESPACE)

        client.on("command", command, NAMESPACE)
        return client

    def beat(self, client):
        while True:
            time.sleep(BEAT_S)
            if NAMESPACE in client.namespaces:
                client.emit("heartbeat", namespace=NAMESPACE)

    def obey(self, order):
        name = order["name"]
        try:
            if order["do"] == "connect":
                devices[name] = self.make(name)
                devices[name].connect(url, **options(name, order.get("auth", {})))
            elif order["do"] == "trigger":
                devices[name].emit(*trigger(order))
            elif order["do"] == "emit":
                devices[name].emit(*emission(order))
            elif order["do"] == "transport":
                say("transport", name, transport=devices[name].transport())
            elif order["do"] == "beat":
                threading.Thread(target=self.beat, args=(devices[name],), daemon=True).start()
            elif order["do"] == "disconnect":
                devices[name].disconnect()
                say("left", name)
        except Exception as error:  # the test decides what is an error
            say("failed", name, error=str(error))

    def run(self):
        for line in sys.stdin:
            order = json.loads(line)
            if order["do"] == "connect":
                threading.Thread(target=self.obey, args=(order,), daemon=True).start()
            else:
                self.obey(order)


class Asyncio:
    """The same in one thread."""

    def __init__(self):
        self.tasks = set()

    def begin(self, doing):
        task = asyncio.create_task(doing)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def make(self, name):
        client = socketio.AsyncClient()
        listen(client, name)

        async def command(message):
            say("command", name, command=message["command"], payload=message.get("payload"))
            answer, seconds = outcome(message)
            await asyncio.sleep(seconds)
            await client.emit("response", answer, NAMESPACE)

        client.on("command", command, NAMESPACE)
        return client

    async def beat(self, client):
        while True:
            await asyncio.sleep(BEAT_S)
            if NAMESPACE in client.namespaces:
                await client.emit("heartbeat", namespace=NAMESPACE)

    async def obey(self, order):
        name = order["name"]
        try:
            if order["do"] == "connect":
                devices[name] = self.make(name)
                await devices[name].connect(url, **options(name, order.get("auth", {})))
            elif order["do"] == "trigger":
                await devices[name].emit(*trigger(order))
            elif order["do"] == "emit":
                await devices[name].emit(*emission(order))
            elif order["do"] == "transport":
                say("transport", name, transport=devices[name].transport())
            elif order["do"] == "beat":
                self.begin(self.beat(devices[name]))
            elif order["do"] == "disconnect":
                await devices[name].disconnect()
                say("left", name)
        except Exception as error:  # the test decides what is an error
            say("failed", name, error=str(error))

    async def main(self):
        lines = asyncio.StreamReader()
        pipe = lambda: asyncio.StreamReaderProtocol(lines)
        await asyncio.get_running_loop().connect_read_pipe(pipe, sys.stdin)
        while line := await lines.readline():
            self.begin(self.obey(json.loads(line)))

    def run(self):
        asyncio.run(self.main())


{"sync": Sync, "asyncio": Asyncio}[flavour]().run()
