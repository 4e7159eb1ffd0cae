// Socket.IO 5 against `conformance socketio`.
import { Server, assert, pause, run, within } from "./wire.mjs";
import { handshakes } from "./handshakes.mjs";

const server = new Server(process.argv[2], "/socket.io/");

// A client in a namespace, and what was said to it there.
const connect = async (namespace = "", auth = "") => {
  const { socket } = await server.openSocket();
  socket.send(`40${namespace}${auth}`);
  const connected = await socket.next();
  const said = await socket.next();
  return { socket, connected, said };
};

const isConnected = async (namespace, auth, told) => {
  const { socket, connected, said } = await connect(namespace, auth);
  assert.ok(connected.startsWith(`40${namespace}`), connected);
  const handshake = JSON.parse(connected.slice(2 + namespace.length));
  assert.deepEqual(Object.keys(handshake), ["sid"]);
  assert.equal(typeof handshake.sid, "string");
  assert.equal(said, `42${namespace}["auth",${told}]`);
  socket.end();
};

const closesAfter = async (...messages) => {
  const { socket } = await connect();
  socket.send(...messages);
  await within(socket.closed, `close after ${messages[0]}`, 450);
};

const says = async (sent, heard) => {
  const { socket } = await connect();
  socket.send(...sent);
  for (const message of heard) assert.deepEqual(await socket.nextBut(), message);
  socket.end();
};

const FIRST = '{"_placeholder":true,"num":0}';
const SECOND = '{"_placeholder":true,"num":1}';

const cases = {
  ...handshakes(server),
  "the main namespace is connected": () => isConnected("", "", "{}"),
  "the main namespace is connected with credentials": () => isConnected("", '{"token":"123"}', '{"token":"123"}'),
  "a namespace is connected": () => isConnected("/custom,", "", "{}"),
  "a namespace is connected with credentials": () => isConnected("/custom,", '{"token":"abc"}', '{"token":"abc"}'),
  // The suite's client listens for one message at a time: what comes out of the same read as another is lost to it.
  "the credentials come back in a read of their own": async () => {
    const { socket } = await server.openSocket();
    const heard = () => within(new Promise((resolve) => socket.ws.once("message", (data) => resolve(`${data}`))), "message");
    socket.send("40/custom");
    assert.ok((await heard()).startsWith("40/custom,"));
    assert.equal(await heard(), '42/custom,["auth",{}]');
    socket.end();
  },
  "a namespace that there is not is refused": async () => {
    const { socket } = await server.openSocket();
    socket.send("40/random");
    assert.equal(await socket.next(), '44/random,{"message":"Invalid namespace"}');
    socket.end();
  },
  "what is no packet closes before a namespace is connected": async () => {
    const { socket } = await server.openSocket();
    socket.send("4abc");
    await within(socket.closed, "close", 450);
  },
  "a client that never connects is closed, though it answers pings": async () => {
    const { socket } = await server.openSocket();
    socket.nextBut().catch(() => {});
    await within(socket.closed, "close", 3000);
  },
  "the main namespace is left, and the session lives": async () => {
    const { socket } = await connect();
    socket.send("41");
    assert.equal(await socket.next(), "2");
    socket.end();
  },
  "one namespace is left, and the other goes on": async () => {
    const { socket } = await connect();
    socket.send("40/custom");
    assert.ok((await socket.nextBut()).startsWith("40/custom,"));
    assert.equal(await socket.nextBut(), '42/custom,["auth",{}]');
    socket.send("41/custom", '42["message","to the main namespace"]');
    assert.equal(await socket.nextBut(), '42["message-back","to the main namespace"]');
    socket.end();
  },
  "an event comes back": () =>
    says(['42["message",1,"2",{"3":[true]}]'], ['42["message-back",1,"2",{"3":[true]}]']),
  "an event comes back with its attachments": () =>
    says(
      [`452-["message",${FIRST},${SECOND}]`, [1, 2, 3], [4, 5, 6]],
      [`452-["message-back",${FIRST},${SECOND}]`, [1, 2, 3], [4, 5, 6]],
    ),
  "an event is acknowledged": () =>
    says(['42456["message-with-ack",1,"2",{"3":[false]}]'], ['43456[1,"2",{"3":[false]}]']),
  "an event is acknowledged with its attachments": () =>
    says(
      [`452-789["message-with-ack",${FIRST},${SECOND}]`, [1, 2, 3], [4, 5, 6]],
      [`462-789[${FIRST},${SECOND}]`, [1, 2, 3], [4, 5, 6]],
    ),
  "an event in a namespace comes back there": async () => {
    const { socket } = await connect("/custom,");
    socket.send('42/custom,["message","€"]');
    assert.equal(await socket.nextBut(), '42/custom,["message-back","€"]');
    socket.end();
  },
  "an unknown type closes": () => closesAfter("4abc"),
  "a payload of another kind closes": () => closesAfter("42{}"),
  "an id that is none closes": () => closesAfter('42abc["message-with-ack",1]'),
  "an event without a payload closes": () => closesAfter("42"),
  "an acknowledgement without a payload closes": () => closesAfter("431"),
  "a name that is no string closes": () => closesAfter('42[{"toString":"foo"}]'),
  "a reserved name closes": () => closesAfter('42["disconnect"]'),
  "a placeholder of no attachment closes": () => closesAfter('451-["message",{"_placeholder":true,"num":"splice"}]'),
  "too many attachments close": () => closesAfter('45999999999-["x"]'),
  "text in place of an attachment closes": () => closesAfter(`451-["message",${FIRST}]`, '42["message"]'),
  "an attachment of nothing closes": () => closesAfter([1, 2, 3]),
  "an event where one is not connected closes": () => closesAfter('42/custom,["message"]'),
  "a fifth CONNECT closes": () => closesAfter("40/a", "40/b", "40/c", "40/d"),
  "polling: both ways": async () => {
    const sid = await server.openPolling();
    await server.post(sid, '40/custom,{"token":"t"}');
    const told = (await server.poll(sid)).text.split("\x1e");
    assert.ok(told[0].startsWith('40/custom,{"sid":'));
    assert.equal(told[1], '42/custom,["auth",{"token":"t"}]');
    await server.post(sid, `451-/custom,["message",${FIRST}]\x1ebAQID`);
    assert.equal((await server.poll(sid)).text, `451-/custom,["message-back",${FIRST}]\x1ebAQID`);
    await server.post(sid, "42");
    await pause(20);
    assert.equal((await server.poll(sid)).text, "1");
    assert.equal((await server.poll(sid)).status, 400);
  },
};

await run(cases);
