// What both servers do before a message is said: opening, refusing, the heartbeat, closing, and the way from polling to a
// WebSocket.
import { assert, pause, within } from "./wire.mjs";

export const INTERVAL_MS = 300;
export const TIMEOUT_MS = 200;
const KEYS = ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"];

const checkOpen = (open, upgrades) => {
  assert.deepEqual(Object.keys(open).sort(), KEYS);
  assert.equal(typeof open.sid, "string");
  assert.deepEqual(open.upgrades, upgrades);
  assert.equal(open.pingInterval, INTERVAL_MS);
  assert.equal(open.pingTimeout, TIMEOUT_MS);
  assert.equal(open.maxPayload, 1000000);
};

const isRefused = async (server, query, options) => {
  const { status, text } = await server.ask(query, options);
  assert.equal(status, 400, query);
  assert.equal(typeof JSON.parse(text).message, "string");
};

// A session that polls, its socket that has probed and was answered.
export const probed = async (server) => {
  const sid = await server.openPolling();
  const socket = server.socket(`EIO=4&transport=websocket&sid=${sid}`);
  await socket.isOpen();
  socket.send("2probe");
  assert.equal(await socket.next(), "3probe");
  return { sid, socket };
};

export const handshakes = (server) => ({
  "polling: a session opens with exactly its five members": async () => {
    const { status, text } = await server.ask("EIO=4&transport=polling");
    assert.equal(status, 200);
    assert.equal(text[0], "0");
    checkOpen(JSON.parse(text.slice(1)), ["websocket"]);
  },
  "polling: an EIO that is missing, no number or too old is refused": async () => {
    await isRefused(server, "transport=polling");
    await isRefused(server, "EIO=abc&transport=polling");
    await isRefused(server, "EIO=3&transport=polling");
  },
  "polling: a transport that is missing, unknown or given twice is refused": async () => {
    await isRefused(server, "EIO=4");
    await isRefused(server, "EIO=4&transport=abc");
    await isRefused(server, "EIO=4&transport=constructor");
    await isRefused(server, "EIO=4&transport=polling&transport=polling");
  },
  "polling: only a GET opens a session": async () => {
    await isRefused(server, "EIO=4&transport=polling", { method: "POST" });
    await isRefused(server, "EIO=4&transport=polling", { method: "PUT" });
  },
  "polling: a sid that nobody has is refused": async () => {
    await isRefused(server, "EIO=4&transport=polling&sid=x");
    await isRefused(server, "EIO=4&transport=polling&sid=x", { method: "POST", body: "4a" });
  },
  "websocket: a session opens with exactly its five members": async () => {
    const { socket, open } = await server.openSocket();
    checkOpen(open, []);
    socket.end();
  },
  "websocket: an EIO or transport that makes no sense is refused": async () => {
    for (const query of ["transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"]) {
      const socket = server.socket(query);
      let opened = false;
      socket.opened.then(() => (opened = true));
      await socket.isClosed();
      assert.equal(opened, false, query);
    }
  },
  "polling: pings are answered with pongs": async () => {
    const sid = await server.openPolling();
    for (let count = 0; count < 3; count++) {
      const { status, text } = await server.poll(sid);
      assert.deepEqual([status, text], [200, "2"]);
      assert.equal((await server.post(sid, "3")).status, 200);
    }
  },
  "polling: a session without pongs is over, to the millisecond": async () => {
    const sid = await server.openPolling();
    await pause(INTERVAL_MS + TIMEOUT_MS);
    assert.equal((await server.poll(sid)).status, 400);
  },
  "websocket: pings are answered with pongs": async () => {
    const { socket } = await server.openSocket();
    for (let count = 0; count < 3; count++) {
      assert.equal(await socket.next(), "2");
      socket.send("3");
    }
    socket.end();
  },
  "websocket: a session without pongs is closed": async () => {
    const { socket } = await server.openSocket();
    await within(socket.closed, "close", 1500);
  },
  "polling: the client closes, and its poll ends": async () => {
    const sid = await server.openPolling();
    const waiting = server.poll(sid);
    await pause(20);
    assert.equal((await server.post(sid, "1")).text, "ok");
    const { status, text } = await waiting;
    assert.deepEqual([status, text], [200, "6"]);
    assert.equal((await server.poll(sid)).status, 400);
  },
  "websocket: the client closes": async () => {
    const { socket } = await server.openSocket();
    socket.send("1");
    await socket.isClosed();
  },
  "upgrade: a poll is ended, then the socket is the session's": async () => {
    const { sid, socket } = await probed(server);
    const { status, text } = await server.poll(sid);
    assert.deepEqual([status, text], [200, "6"]);
    socket.send("5");
    assert.equal(await socket.next(), "2", "the heartbeat goes on over the socket");
    socket.end();
  },
  "upgrade: a poll that waited is ended by the probe": async () => {
    const sid = await server.openPolling();
    const waiting = server.poll(sid);
    const socket = server.socket(`EIO=4&transport=websocket&sid=${sid}`);
    await socket.isOpen();
    socket.send("2probe");
    assert.equal(await socket.next(), "3probe");
    assert.equal((await waiting).text, "6");
    socket.end();
  },
  "upgrade: polls are refused afterwards": async () => {
    const { sid, socket } = await probed(server);
    socket.send("5");
    await pause(20);
    assert.equal((await server.poll(sid)).status, 400);
    assert.equal((await server.post(sid, "4a")).status, 400);
    assert.equal(await socket.next(), "2", "and the session lives");
    socket.end();
  },
  "upgrade: a second socket is closed alone": async () => {
    const { sid, socket } = await probed(server);
    const again = () => server.socket(`EIO=4&transport=websocket&sid=${sid}`);
    await within(again().closed, "close while another probes");
    socket.send("5");
    await pause(20);
    await within(again().closed, "close when the session has one");
    assert.equal(await socket.next(), "2", "and the session lives");
    socket.end();
  },
});
