// MQTT.js against the broker: node echo_mqttjs.cjs URL
// Subscribes, publishes at each quality, and leaves when all of it has come back.
const mqtt = require('mqtt')
const client = mqtt.connect(process.argv[2], { protocolVersion: 4, reconnectPeriod: 0, connectTimeout: 10000 })
const heard = []

setTimeout(() => { console.error('heard only', heard); process.exit(1) }, 20000).unref()
client.on('error', (error) => { console.error(error); process.exit(1) })
client.on('connect', async () => {
  await client.subscribeAsync('js/#', { qos: 2 })
  for (const qos of [0, 1, 2]) await client.publishAsync(`js/${qos}`, Buffer.alloc(100000, qos), { qos })
})
client.on('message', (topic, payload, packet) => {
  heard.push(`${topic} ${packet.qos} ${payload.length}`)
  if (heard.length === 3) client.end(false, () => { console.log(heard.sort().join('\n')) })
})
