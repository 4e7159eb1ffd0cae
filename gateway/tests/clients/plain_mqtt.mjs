// A device on MQTT.js that knows nothing of Lua but its topics. Arguments: URL, agent, key, device name.
//
// In:  {"trigger":T,"payload":P}    a line each
// Out: {"saw":WORD,...}             connected, ready, command, puback, ack, error

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const mqtt = createRequire(process.env.NODE_PATH + "/")("mqtt");
const [url, agent, key, name] = process.argv.slice(2);
const prefix = `lua/devices/${agent}/${name}/`;
const say = (saw, more = {}) => console.log(JSON.stringify({ saw, ...more }));

const device = mqtt.connect(url, {
  clientId: `lua-${agent}-${name}`,
  username: `${agent}:${name}`,
  password: key,
  clean: true,
  keepalive: 60,
  reconnectPeriod: 0,
  will: { topic: `${prefix}status`, payload: '{"status":"offline"}', qos: 1, retain: true },
});
device.on("error", (error) => say("error", { message: String(error) }));
device.on("connect", async () => {
  say("connected");
  await device.subscribeAsync(
    ["command", "connected", "trigger_ack", "error"].map((suffix) => prefix + suffix),
    { qos: 1 },
  );
  const commands = [{ name: "echo", description: "Gives the payload back" }];
  const status = { status: "online", apiKey: key, group: null, commands };
  await device.publishAsync(`${prefix}status`, JSON.stringify(status), { qos: 1 });
});
device.on("message", async (topic, payload) => {
  const message = JSON.parse(payload.toString() || "{}");
  switch (topic.slice(prefix.length)) {
    case "connected":
      return say("ready");
    case "trigger_ack":
      return say("ack", { received: message.received, triggerId: message.triggerId });
    case "error":
      return say("error", message);
    case "command": {
      say("command", { payload: message.payload });
      const answer = { commandId: message.commandId, success: true, data: message.payload };
      await device.publishAsync(`${prefix}response`, JSON.stringify(answer), { qos: 1 });
    }
  }
});
createInterface({ input: process.stdin }).on("line", async (line) => {
  const { trigger, payload } = JSON.parse(line);
  await device.publishAsync(`${prefix}trigger`, JSON.stringify({ triggerName: trigger, payload }), { qos: 1 });
  say("puback");
});
process.stdin.on("end", () => process.exit(0));
