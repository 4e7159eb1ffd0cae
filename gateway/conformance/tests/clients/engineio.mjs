// Engine.IO 4 against `conformance engineio`.
import { Server, assert, pause, run, within } from "./wire.mjs";
import { handshakes, probed } from "./handshakes.mjs";

const server = new Server(process.argv[2], "/engine.io/");
const SEPARATOR = "\x1e";

const comesBack = async (body) => {
  const sid = await server.openPolling();
  const posted = await server.post(sid, body);
  assert.deepEqual([posted.status, posted.text], [200, "ok"]);
  const polled = await server.poll(sid);
  assert.deepEqual([polled.status, polled.text], [200, body]);
};

const cases = {
  ...handshakes(server),
  "polling: a message comes back": () => comesBack("4hello"),
  "polling: several messages come back in one answer": () => comesBack(["4one", "4two", "4three"].join(SEPARATOR)),
  "polling: text and binary come back": () => comesBack(["4hello", "bAQIDBA=="].join(SEPARATOR)),
  "polling: other letters come back": () => comesBack("4€ 💩 \u2028"),
  "polling: what is no packet ends the session": async () => {
    for (const body of ["abc", "", `4a${SEPARATOR}`, "bA"]) {
      const sid = await server.openPolling();
      assert.equal((await server.post(sid, body)).status, 400, body);
      assert.equal((await server.poll(sid)).status, 400, body);
    }
  },
  "polling: a second poll ends the session and the first is told": async () => {
    const sid = await server.openPolling();
    const [first, second] = await Promise.all([server.poll(sid), pause(20).then(() => server.poll(sid))]);
    assert.deepEqual([first.status, first.text], [200, "1"]);
    assert.equal(second.status, 400);
    assert.equal((await server.poll(sid)).status, 400);
  },
  "polling: a poll given up ends the session": async () => {
    const sid = await server.openPolling();
    const abort = new AbortController();
    const given = server.poll(sid, { signal: abort.signal }).catch(() => "given up");
    await pause(50);
    abort.abort();
    assert.equal(await given, "given up");
    await pause(20);
    assert.equal((await server.poll(sid)).status, 400);
  },
  "polling: a body too large is refused, and the next client served": async () => {
    const sid = await server.openPolling();
    const answer = await server.post(sid, "4" + "x".repeat(1000000)).catch(() => ({ status: 413 }));
    assert.equal(answer.status, 413);
    await comesBack("4" + "x".repeat(200000));
  },
  "websocket: a message comes back": async () => {
    const { socket } = await server.openSocket();
    socket.send("4hello");
    assert.equal(await socket.next(), "4hello");
    socket.end();
  },
  "websocket: a binary message comes back": async () => {
    const { socket } = await server.openSocket();
    socket.send([1, 2, 3, 4]);
    assert.deepEqual(await socket.next(), [1, 2, 3, 4]);
    socket.end();
  },
  "websocket: what is no packet closes it": async () => {
    for (const message of ["abc", "", "2", "bAQIDBA=="]) {
      const { socket } = await server.openSocket();
      socket.send(message);
      await within(socket.closed, `close after ${message}`, 1000);
    }
  },
  "websocket: a message too large closes it with 1009": async () => {
    const { socket } = await server.openSocket();
    socket.send("4" + "x".repeat(1000000));
    assert.equal(await socket.isClosed(), 1009);
  },
  "upgrade: messages go over the socket": async () => {
    const { sid, socket } = await probed(server);
    await server.poll(sid);
    socket.send("5", "4hello");
    assert.equal(await socket.next(), "4hello");
    socket.end();
  },
  "upgrade: what waited for a poll comes over the socket, in order": async () => {
    const { sid, socket } = await probed(server);
    await server.post(sid, ["4one", "bAQI=", "4two"].join(SEPARATOR));
    socket.send("5", "4three");
    assert.deepEqual(
      [await socket.next(), await socket.next(), await socket.next(), await socket.next()],
      ["4one", [1, 2], "4two", "4three"],
    );
    socket.end();
  },
  "upgrade: nonsense from a probe closes the socket alone": async () => {
    const sid = await server.openPolling();
    const socket = server.socket(`EIO=4&transport=websocket&sid=${sid}`);
    await socket.isOpen();
    socket.send("4hello");
    await socket.isClosed();
    await server.post(sid, "4still here");
    assert.equal((await server.poll(sid)).text, "4still here");
  },
};

await run(cases);
