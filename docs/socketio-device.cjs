// A device in ten lines: node socketio-device.cjs http://127.0.0.1:8080 KEY AGENT DEVICE
const { io } = require("socket.io-client");
const [url, apiKey, agentId, deviceName] = process.argv.slice(2);
const commands = [{ name: "read_temperature", description: "Read the temperature in Celsius" }];
const device = io(`${url}/devices`, { auth: { apiKey, agentId, deviceName, commands } });
device.on("connected", () => console.log("connected"));
device.on("command", ({ commandId }) => device.emit("response", { commandId, success: true, data: { celsius: 21.5 } }));
device.on("connect_error", (error) => console.error(error.message, error.data));
setInterval(() => device.emit("heartbeat"), 30_000);
