// Asks the reference implementations what they make of packets, and writes it down: `reference.jsonl` here and in
// ../engineio. The Rust tests compare. To make them again:
//
//   npm install --no-save --prefix target/test-clients/parsers engine.io-parser@5.2.3 socket.io-parser@4.2.7
//   NODE_PATH=target/test-clients/parsers/node_modules node codec/tests/vectors/socketio/make.mjs
//
// A line is {"input": text, "output": what came out}; an output of null is a refusal.
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";

const require = createRequire(import.meta.url);
const engine = require("engine.io-parser");
const socket = require("socket.io-parser");
const here = new URL(".", import.meta.url);

const lines = (file, rows) =>
  writeFileSync(new URL(file, here), rows.map((row) => JSON.stringify(row)).join("\n") + "\n");

// ---- Engine.IO: packets that it writes, and texts that it may or may not read.

const bytes = (...values) => Buffer.from(values);
const encoded = (packets) => new Promise((resolve) => engine.encodePayload(packets, resolve));

const payloads = [
  [{ type: "message", data: "hello" }],
  [{ type: "message", data: "a" }, { type: "message", data: "€ ☃ 💩" }, { type: "ping" }],
  [{ type: "ping", data: "probe" }, { type: "pong", data: "probe" }, { type: "upgrade" }, { type: "noop" }],
  [{ type: "close" }],
  [{ type: "open", data: '{"sid":"x"}' }],
  ...Array.from({ length: 9 }, (_, length) => [{ type: "message", data: bytes(...Array(length).fill(0xfb + (length % 4))) }]),
  [{ type: "message", data: bytes(1, 2, 3, 4) }, { type: "message", data: "" }, { type: "message", data: bytes(255) }],
  [{ type: "message", data: bytes(...Array(256).keys()) }],
];
const texts = [
  "", "a", "7", "8x", "-1", "4", "2", "3probe", "5", "6", "1", "1x", "5probe", "6z", "b", "b=", "bAQIDBA==",
  "bAQIDBA", "bA", "bAQI=", "bAQJ=", "b\u20ac", "4a\x1e", "\x1e4a", "4a\x1e\x1e4b", "4a\x1e4b", "4\x1e4", "2\x1e3\x1e6",
  "4a\x1ebAQ==\x1e4b", "4a\x1exyz\x1e4b", "0{}", "4\x00", "4 leading", " 4", "４wide", "4\u2028",
];

const readPayload = (text) => {
  const packets = engine.decodePayload(text, "nodebuffer");
  if (packets.some((packet) => packet.type === "error")) return null;
  return packets.map(({ type, data }) => ({
    type,
    data: Buffer.isBuffer(data) ? { bytes: [...data] } : (data ?? null),
  }));
};

const engineRows = [];
for (const packets of payloads) {
  const input = await encoded(packets);
  engineRows.push({ input, output: readPayload(input) });
}
for (const input of texts) engineRows.push({ input, output: readPayload(input) });
lines("../engineio/reference.jsonl", engineRows);

// ---- Socket.IO.

const packets = [
  { type: 0, nsp: "/" },
  { type: 0, nsp: "/devices", data: { apiKey: "k", commands: [] } },
  { type: 0, nsp: "/", data: { token: "123" } },
  { type: 1, nsp: "/" },
  { type: 1, nsp: "/devices" },
  { type: 2, nsp: "/", data: ["hey"] },
  { type: 2, nsp: "/devices", data: ["trigger", { triggerName: "hot", payload: { v: 1 } }] },
  { type: 2, nsp: "/devices", id: 0, data: ["a", 1, "2", { 3: [true] }, null] },
  { type: 2, nsp: "/a/b?c", id: 456, data: ["€\n\"", "\u2028"] },
  { type: 2, nsp: "/", id: 9007199254740991, data: ["big"] },
  { type: 3, nsp: "/", id: 7, data: [] },
  { type: 3, nsp: "/devices", id: 12, data: [1, "2", { 3: [false] }] },
  { type: 4, nsp: "/random", data: { message: "Invalid namespace" } },
  { type: 4, nsp: "/random", data: "Invalid namespace" },
  { type: 2, nsp: "/", data: ["bin", bytes(1, 2), { deep: [bytes(3)] }] },
  { type: 2, nsp: "/devices", id: 5, data: ["bin", bytes()] },
  { type: 3, nsp: "/devices", id: 5, data: [bytes(9), "x", bytes(8)] },
];
const strings = [
  "", "x", "7", "9[]", "0", "0{}", "0[]", "0\"x\"", "0null", "01", "0/custom", "0/custom,", "0/custom,{}", "0/custom{}",
  "0/,", "0/", "1", "1{}", "1/custom", "1/custom,", "1/custom,5", "2", "2{}", "2[]", "2[1]", "2[null]", "2[[\"a\"]]",
  "2[{\"toString\":\"foo\"}]", "2[\"a\"]", "2[\"a\"", "2[\"a\"]x", "2 [\"a\"]", "2[ \"a\" , 1 ]", "2/custom", "2/custom,",
  "2/custom,[\"a\"]", "2/custom,7[\"a\"]", "27[\"a\"]", "207[\"a\"]", "2abc[\"a\"]", "2-1[\"a\"]", "21.5[\"a\"]",
  "212345678901234567890[\"a\"]", "29007199254740992[\"a\"]", "2[\"connect\"]", "2[\"connect_error\"]", "2[\"disconnect\"]",
  "2[\"disconnecting\"]", "2[\"newListener\"]", "2[\"removeListener\"]", "2[\"error\"]", "2[\"__proto__\"]", "2[\"\"]",
  "3", "3[]", "31", "31[]", "31{}", "31[1,2]", "3/custom,1[]", "4", "4{}", "4\"x\"", "4[]", "4null", "4/x,{\"message\":\"m\"}",
  "5", "5[\"a\"]", "5-[\"a\"]", "50-[\"a\"]", "51-[\"a\",{\"_placeholder\":true,\"num\":0}]", "51-", "5x-[\"a\"]", "51[\"a\"]",
  "51.5-[\"a\"]", "5-1-[\"a\"]", "510-[\"a\"]", "511-[\"a\"]", "5999999999-[\"x\"]", "501-[\"a\"]",
  "51-[\"a\",{\"_placeholder\":true,\"num\":1}]", "51-[\"a\",{\"_placeholder\":true,\"num\":-1}]",
  "51-[\"a\",{\"_placeholder\":true,\"num\":7}]", "51-[\"a\",{\"_placeholder\":true,\"num\":\"splice\"}]",
  "51-[\"a\",{\"_placeholder\":true}]", "51-[\"a\",{\"_placeholder\":false,\"num\":7}]", "51-[\"a\"]",
  "51-[\"a\",{\"b\":[{\"_placeholder\":true,\"num\":0}]}]", "51-[\"a\",{\"b\":[{\"_placeholder\":true,\"num\":9}]}]",
  "51-/custom,3[\"a\",{\"num\":0,\"_placeholder\":true}]", "6", "61-1[]", "61-[]", "61-1[{\"_placeholder\":true,\"num\":0}]",
  "62-1[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]", "61-1[{\"_placeholder\":true,\"num\":1}]",
];

// What the reference makes of a packet and of as many attachments as it asks for. The payload is shown as it was before
// attachments took their places.
const readPacket = (text) => {
  const decoder = new socket.Decoder();
  let decoded = false;
  decoder.on("decoded", () => (decoded = true));
  try {
    const { type, nsp, id, data, attachments } = new socket.Decoder().decodeString(text);
    const output = { type, nsp, id: id ?? null, attachments: attachments ?? 0, data: structuredClone(data) ?? null };
    decoder.add(text);
    for (let number = 0; number < (attachments ?? 0); number++) decoder.add(bytes(number));
    return decoded ? output : null;
  } catch {
    return null;
  }
};

const encoder = new socket.Encoder();
const socketRows = [];
for (const packet of packets) {
  const [input, ...attachments] = encoder.encode(structuredClone(packet, {}));
  socketRows.push({ input, output: readPacket(input), attachments: attachments.length });
}
for (const input of strings) socketRows.push({ input, output: readPacket(input) });
lines("reference.jsonl", socketRows);
