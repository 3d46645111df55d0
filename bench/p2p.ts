/** The network host over loopback sockets: frames, bulk, small requests, gossip, the cost of a start. The far host is a second process. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Network } from '@pouw/p2p'
import { median } from './measure.ts'
import { NEAR_SEED, networkOptions, noHandlers } from './p2p-hosts.ts'
import { type Row, row, type Topic } from './row.ts'

export const p2p: Topic = async ({ quick, say }) => {
  const rows: Row[] = []
  const less = quick ? 100 : 1
  const startedMs = performance.now()
  const { createNetwork } = await import('@pouw/p2p')
  const importedMs = performance.now()
  const network = await createNetwork(networkOptions(NEAR_SEED), noHandlers)
  rows.push(row('start: import the network', importedMs - startedMs, 'ms'))
  rows.push(row('start: create a host', performance.now() - importedMs, 'ms'))

  const far = fork(fileURLToPath(new URL('p2p-far.ts', import.meta.url)))
  try {
    const { addresses, peerId } = await next<{ addresses: string[]; peerId: string }>(far)
    await network.connect(addresses[0]!)
    for (const [size, count] of [
      [100, 100_000],
      [1_000, 50_000],
      [64_000, 2_000],
    ] as const) {
      say(`frames of ${size} bytes`)
      rows.push(...(await frames(network, peerId, far, size, count / less)))
    }
    say('requests')
    rows.push(await bulk(network, peerId, 40_000_000 / less))
    rows.push(...(await smallRequests(network, peerId, 1_000 / less)))
  } finally {
    far.send('stop')
    await network.stop()
  }
  for (const hosts of quick ? [3] : [5, 16]) {
    say(`gossip among ${hosts} hosts`)
    rows.push(...(await gossip(hosts, createNetwork, quick ? 10 : 200)))
  }
  return rows
}

async function frames(network: Network, to: string, far: ChildProcess, size: number, count: number): Promise<Row[]> {
  const head = Buffer.alloc(5, 0xff)
  head.writeUInt32LE(count, 1)
  const received = next(far)
  const beganMs = performance.now()
  const cpu = cpuMs()
  while (!network.send(to, head)) await turn()
  const frame = new Uint8Array(size)
  for (let sent = 0; sent < count; sent++) while (!network.send(to, frame)) await turn()
  await received
  const seconds = (performance.now() - beganMs) / 1000
  return [
    row(`frames of ${size} bytes`, count / seconds, '/s'),
    row(`frames of ${size} bytes, payload`, (count * size) / 1e6 / seconds, 'MB/s'),
    row(`frames of ${size} bytes, processor time of the sender for one`, ((cpuMs() - cpu) * 1000) / count, 'us'),
  ]
}

async function bulk(network: Network, from: string, size: number): Promise<Row> {
  const ask = () => network.request(from, 'blob', sizeOf(size), { maxBytes: size, timeoutMs: 60_000 })
  await ask()
  const rates: number[] = []
  for (let i = 0; i < 5; i++) {
    const beganMs = performance.now()
    const body = await ask()
    rates.push(body.length / 1e3 / (performance.now() - beganMs))
  }
  return row(`one request for ${size / 1e6} MB`, median(rates), 'MB/s')
}

async function smallRequests(network: Network, from: string, count: number): Promise<Row[]> {
  const ask = () => network.request(from, 'slots', sizeOf(1_000), { maxBytes: 1_000, timeoutMs: 60_000 })
  const beganMs = performance.now()
  await Promise.all(Array.from({ length: count }, ask))
  const perSecond = count / ((performance.now() - beganMs) / 1000)
  const times: number[] = []
  for (let i = 0; i < count / 5; i++) {
    const atMs = performance.now()
    await ask()
    times.push(performance.now() - atMs)
  }
  return [row('requests for 1 kB, many at once', perSecond, '/s'), row('one request for 1 kB, there and back', median(times), 'ms')]
}

function sizeOf(bytes: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32LE(bytes, 0)
  return payload
}

type Create = typeof import('@pouw/p2p').createNetwork

const GOSSIP_PAUSE_MS = 10
const GOSSIP_PATIENCE_MS = 5_000

/** All hosts in this process, each connected to each; a hundred messages of 1 kB a second in all. */
async function gossip(count: number, create: Create, messages: number): Promise<Row[]> {
  const latencies: number[] = []
  const receivedAll = Promise.withResolvers<void>()
  const meshed = Promise.withResolvers<void>()
  const hosts: Network[] = []
  for (let i = 0; i < count; i++) {
    const handlers = {
      ...noHandlers,
      gossip(_topic: unknown, bytes: Uint8Array) {
        latencies.push(performance.now() - Buffer.from(bytes).readDoubleLE(0))
        if (latencies.length === messages * (count - 1)) receivedAll.resolve()
        return 'accept' as const
      },
    }
    hosts.push(await create(networkOptions(10 + i), handlers))
  }
  let ready = 0
  for (const host of hosts) host.on('peer:ready', () => ++ready === count * (count - 1) && meshed.resolve())
  await Promise.all(hosts.flatMap((host, i) => hosts.slice(i + 1).map((other) => host.connect(other.addresses[0]!))))
  await meshed.promise
  const cpu = cpuMs()
  for (let i = 0; i < messages; i++) {
    // Different bytes each time: gossip carries an equal message only once.
    const bytes = Buffer.alloc(1_000, i)
    bytes.writeDoubleLE(performance.now(), 0)
    await hosts[i % count]!.publish('tx', bytes)
    await new Promise((resolve) => setTimeout(resolve, GOSSIP_PAUSE_MS))
  }
  const patience = setTimeout(receivedAll.resolve, GOSSIP_PATIENCE_MS)
  await receivedAll.promise
  clearTimeout(patience)
  const spentMs = cpuMs() - cpu
  await Promise.all(hosts.map((host) => host.stop()))
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.floor(share * (latencies.length - 1))]!
  return [
    row(`gossip among ${count} hosts: delivered`, (100 * latencies.length) / (messages * (count - 1)), '%'),
    row(`gossip among ${count} hosts: half arrived within`, at(0.5), 'ms'),
    row(`gossip among ${count} hosts: 99 % arrived within`, at(0.99), 'ms'),
    row(`gossip among ${count} hosts: processor time of one delivery`, (spentMs * 1000) / latencies.length, 'us'),
  ]
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function next<Message>(child: ChildProcess): Promise<Message> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as Message))
    child.once('exit', (code) => reject(new Error(`the far host ended with ${code}`)))
  })
}

const turn = () => new Promise((resolve) => setImmediate(resolve))
