// Drives devices on stock `socket.io-client` for the tests: words in on stdin, words out on stdout, one JSON object a line, the
// same words as drive_lua.py.
//
//   node drive_socketio.mjs URL AGENT KEY TRANSPORTS     TRANSPORTS: websocket, polling, or default
//
// More than drive_lua.py says: {"saw":"refused","code":...,"message":...} for a connect_error, {"saw":"ping"} for one of Engine.IO.
// More than it hears: {"do":"emit",...} for raw events, {"do":"beat",...} for a heartbeat every second, {"do":"transport",...} for
// what carries it now.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const packageName = process.env.SOCKETIO_CLIENT ?? "socket.io-client";
const client = createRequire(import.meta.url)(packageName);
const io = client.io ?? client;
const [url, agentId, apiKey, transports] = process.argv.slice(2);
const devices = new Map();

const say = (saw, name, more = {}) => process.stdout.write(JSON.stringify({ saw, name, ...more }) + "\n");

const commands = [
  {
    name: "read_temp",
    description: "Read the temperature",
    inputSchema: { type: "object", properties: { unit: { type: "string", enum: ["c", "f"] } }, required: ["unit"] },
    timeoutMs: 5000,
    retry: { maxAttempts: 2, backoffMs: 1000 },
  },
  { name: "echo", description: "Give back the payload" },
  { name: "fail", description: "Always fails" },
  { name: "sleep", description: "Answers late" },
];

const handlers = {
  read_temp: async (payload) => ({ t: 22.5, unit: payload.unit }),
  echo: async (payload) => payload,
  fail: async () => {
    throw new Error("the sensor is broken");
  },
  sleep: async (payload) => {
    await new Promise((resolve) => setTimeout(resolve, payload.seconds * 1000));
    return "awake";
  },
};

const make = (name, auth) => {
  const options = { auth: { apiKey, agentId, deviceName: name, commands, group: "test-group", ...auth }, forceNew: true };
  if (transports !== "default") options.transports = [transports];
  const socket = io(`${url}/devices`, options);
  socket.on("connected", (payload) => say("connected", name, { payload, transport: socket.io.engine.transport.name }));
  socket.on("command", async ({ commandId, command, payload }) => {
    say("command", name, { command, payload: payload ?? null });
    try {
      const data = await handlers[command](payload);
      socket.emit("response", { commandId, success: true, data });
    } catch (error) {
      socket.emit("response", { commandId, success: false, error: error.message });
    }
  });
  for (const event of ["trigger_ack", "trigger_error", "pong", "error"]) {
    socket.on(event, (data) => say(event === "trigger_ack" ? "ack" : event, name, event === "trigger_ack" ? data : { data }));
  }
  socket.on("disconnect", (reason) => say("disconnected", name, { reason }));
  socket.on("connect_error", (error) => say("refused", name, { message: error.message, data: error.data ?? null }));
  // Older managers do not tell of pings.
  socket.io.engine?.on?.("packet", ({ type }) => type === "ping" && say("ping", name));
  return socket;
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line);
  const { name } = order;
  const socket = devices.get(name);
  switch (order.do) {
    case "connect":
      // One that was dropped without a word comes back by itself, and would fight for the name.
      socket?.disconnect();
      devices.set(name, make(name, order.auth));
      break;
    case "trigger":
      socket.emit("trigger", { triggerName: order.trigger, payload: order.payload });
      break;
    case "emit": {
      const attachment = order.binary ? [Buffer.from([1, 2, 3])] : [];
      const callback = order.callback ? [(...data) => say("called back", name, { data })] : [];
      socket.emit(order.event, ...(order.arguments ?? []), ...attachment, ...callback);
      break;
    }
    case "beat":
      setInterval(() => socket.connected && socket.emit("heartbeat"), 1000);
      break;
    case "transport":
      say("transport", name, { transport: socket.io.engine?.transport.name ?? null });
      break;
    case "disconnect":
      socket.disconnect();
      say("left", name);
      break;
  }
});
