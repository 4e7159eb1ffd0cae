// What the suites have in common: requests, sockets whose messages can be awaited in order, and the run of a list of cases.
// Usage of a suite: node SUITE.mjs http://ADDRESS; the exit code says whether every case held.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

// The package is installed under target/, which NODE_PATH names; only `require` looks there.
export const { WebSocket } = createRequire(import.meta.url)("ws");
export { assert };

const PATIENCE_MS = 5000;

// Rejects when `promise` takes longer than anything here may.
export const within = (promise, what, ms = PATIENCE_MS) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Server {
  constructor(address, path) {
    this.url = `${address}${path}`;
  }

  // One request; the answer with its body.
  async ask(query, options = {}) {
    const answer = await within(fetch(`${this.url}?${query}`, options), "answer");
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  }

  poll(sid, options) {
    return this.ask(`EIO=4&transport=polling&sid=${sid}`, options);
  }

  post(sid, body) {
    return this.ask(`EIO=4&transport=polling&sid=${sid}`, { method: "POST", body });
  }

  // The sid of a new session that polls.
  async openPolling() {
    const { text } = await this.ask("EIO=4&transport=polling");
    return JSON.parse(text.slice(1)).sid;
  }

  // A socket, whatever becomes of it.
  socket(query) {
    return new Socket(`${this.url.replace("http", "ws")}?${query}`);
  }

  // A socket of a new session, and what its open packet said.
  async openSocket() {
    const socket = this.socket("EIO=4&transport=websocket");
    const open = await socket.next();
    assert.equal(open[0], "0");
    return { socket, open: JSON.parse(open.slice(1)) };
  }
}

class Socket {
  constructor(url) {
    this.ws = new WebSocket(url);
    this.queue = [];
    this.waiting = [];
    this.ws.on("error", () => {});
    this.ws.on("message", (data, isBinary) => {
      const message = isBinary ? [...data] : data.toString();
      const waiting = this.waiting.shift();
      if (waiting) waiting(message);
      else this.queue.push(message);
    });
    this.opened = new Promise((resolve) => this.ws.on("open", resolve));
    this.closed = new Promise((resolve) => this.ws.on("close", resolve));
  }

  // The next message: text as a string, binary as an array of bytes.
  next() {
    if (this.queue.length > 0) return Promise.resolve(this.queue.shift());
    return within(new Promise((resolve) => this.waiting.push(resolve)), "message");
  }

  // The next message that is no ping; pings are answered.
  async nextBut() {
    for (;;) {
      const message = await this.next();
      if (message !== "2") return message;
      this.send("3");
    }
  }

  send(...messages) {
    for (const message of messages) this.ws.send(Array.isArray(message) ? Uint8Array.from(message) : message);
  }

  isOpen() {
    return within(this.opened, "open socket");
  }

  isClosed() {
    return within(this.closed, "closed socket");
  }

  end() {
    this.ws.terminate();
  }
}

// Runs the cases one after the other, so that none disturbs another's clock.
export const run = async (cases) => {
  let failed = 0;
  for (const [name, check] of Object.entries(cases)) {
    try {
      await check();
      console.log(`ok   ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${name}\n     ${error.stack}`);
    }
  }
  console.log(`${Object.keys(cases).length - failed} of ${Object.keys(cases).length}`);
  process.exit(failed === 0 ? 0 : 1);
};
