/**
 * Figures of the host over loopback sockets: direct frames, bulk requests, gossip latency, cost of starting.
 * Run: node packages/p2p/bench/p2p.ts [--json]. The far host is a second process, so both cores work.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Network, NetworkHandlers } from '../src/index.ts'

interface Row {
  name: string
  value: number
  unit: string
}

const NETWORK_ID = 'be2c4'
const seedOf = (n: number) => new Uint8Array(32).fill(n)
const noHandlers: NetworkHandlers = { gossip: () => 'accept', message: () => {}, request: async () => undefined }
const role = process.argv[2]
const cpuMs = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** The far host: counts frames and says so, answers requests with so many bytes as asked, accepts gossip. */
async function far(): Promise<void> {
  const { createNetwork } = await import('../src/index.ts')
  const content = Buffer.alloc(40_000_000, 7)
  let expected = 0
  let seen = 0
  const network = await createNetwork(
    { networkId: NETWORK_ID, peerSeed: seedOf(2), listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: [] },
    {
      ...noHandlers,
      message(bytes) {
        if (bytes.length === 5 && bytes[0] === 0xff) {
          expected = Buffer.from(bytes).readUInt32LE(1)
          seen = 0
        } else if (++seen === expected) process.send?.({ done: true, cpuMs: cpuMs() })
      },
      request: async (_service, payload) => content.subarray(0, Buffer.from(payload).readUInt32LE(0)),
    },
  )
  process.on('message', (message) => message === 'stop' && network.stop().then(() => process.disconnect()))
  process.send?.({ addresses: network.addresses, peerId: network.peerId })
}

async function main(): Promise<void> {
  const rows: Row[] = []
  const cpuBefore = cpuMs()
  const startedMs = performance.now()
  const { createNetwork } = await import('../src/index.ts')
  const importedMs = performance.now()
  const network = await createNetwork(
    { networkId: NETWORK_ID, peerSeed: seedOf(1), listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: [] },
    noHandlers,
  )
  rows.push({ name: 'start: import', value: importedMs - startedMs, unit: 'ms' })
  rows.push({ name: 'start: createNetwork', value: performance.now() - importedMs, unit: 'ms' })
  rows.push({ name: 'start: CPU of both', value: cpuMs() - cpuBefore, unit: 'ms' })
  rows.push({ name: 'start: resident memory', value: process.memoryUsage().rss / 1e6, unit: 'MB' })

  const child = fork(fileURLToPath(import.meta.url), ['far'])
  const next = <T>() => new Promise<T>((resolve) => child.once('message', (message) => resolve(message as T)))
  const { addresses, peerId } = await next<{ addresses: string[]; peerId: string }>()
  await network.connect(addresses[0] as string)
  await frames(network, peerId, 100, 200_000, next, rows)
  await frames(network, peerId, 1_000, 100_000, next, rows)
  await frames(network, peerId, 64_000, 3_000, next, rows)
  await bulk(network, peerId, 40_000_000, 5, rows)
  await smallRequests(network, peerId, 2_000, rows)
  await idle(rows)
  child.send('stop')
  await network.stop()
  for (const hosts of [5, 16]) await gossip(hosts, createNetwork, rows)

  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify({ rows })}\n`)
  else for (const { name, value, unit } of rows) process.stdout.write(`${name.padEnd(46)}${value.toFixed(1).padStart(12)} ${unit}\n`)
}

type Next = <T>() => Promise<T>

async function frames(network: Network, to: string, size: number, count: number, next: Next, rows: Row[]): Promise<void> {
  const head = Buffer.alloc(5, 0xff)
  head.writeUInt32LE(count, 1)
  const done = next<{ done: true; cpuMs: number }>()
  const cpu = cpuMs()
  const beganMs = performance.now()
  while (!network.send(to, head)) await turn()
  const frame = new Uint8Array(size)
  for (let sent = 0; sent < count; sent++) while (!network.send(to, frame)) await turn()
  await done
  const seconds = (performance.now() - beganMs) / 1000
  rows.push({ name: `frames of ${size} B`, value: count / seconds, unit: '/s' })
  rows.push({ name: `frames of ${size} B, bytes`, value: (count * size) / 1e6 / seconds, unit: 'MB/s' })
  rows.push({ name: `frames of ${size} B, sender CPU each`, value: ((cpuMs() - cpu) * 1000) / count, unit: 'us' })
}

async function bulk(network: Network, from: string, size: number, times: number, rows: Row[]): Promise<void> {
  const payload = Buffer.alloc(4)
  payload.writeUInt32LE(size, 0)
  const ask = () => network.request(from, 'blob', payload, { maxBytes: size, timeoutMs: 60_000 })
  await ask()
  const rates: number[] = []
  for (let i = 0; i < times; i++) {
    const beganMs = performance.now()
    const body = await ask()
    rates.push(body.length / 1e3 / (performance.now() - beganMs))
  }
  rows.push({ name: `request of ${size / 1e6} MB, median`, value: median(rates), unit: 'MB/s' })
  rows.push({ name: `request of ${size / 1e6} MB, slowest`, value: Math.min(...rates), unit: 'MB/s' })
}

async function smallRequests(network: Network, from: string, count: number, rows: Row[]): Promise<void> {
  const payload = Buffer.alloc(4)
  payload.writeUInt32LE(1_000, 0)
  const beganMs = performance.now()
  await Promise.all(Array.from({ length: 1_000 }, () => network.request(from, 'status', payload, { maxBytes: 1_000, timeoutMs: 60_000 })))
  rows.push({ name: 'requests of 1 kB, 16 at once', value: 1_000 / ((performance.now() - beganMs) / 1000), unit: '/s' })
  const times: number[] = []
  for (let i = 0; i < count / 10; i++) {
    const atMs = performance.now()
    await network.request(from, 'status', payload, { maxBytes: 1_000, timeoutMs: 60_000 })
    times.push(performance.now() - atMs)
  }
  rows.push({ name: 'request of 1 kB, median', value: median(times), unit: 'ms' })
}

/** CPU of one connected host that has nothing to do. */
async function idle(rows: Row[]): Promise<void> {
  const cpu = cpuMs()
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  rows.push({ name: 'idle CPU, one peer', value: (cpuMs() - cpu) / 50, unit: '%' })
}

type Create = typeof import('../src/index.ts').createNetwork

/** All hosts in this process, each connected to each; 300 messages at 100 per second in all. */
async function gossip(count: number, create: Create, rows: Row[]): Promise<void> {
  const messages = 300
  const latencies: number[] = []
  const receivedAll = Promise.withResolvers<void>()
  const hosts: Network[] = []
  for (let i = 0; i < count; i++) {
    hosts.push(
      await create(
        { networkId: NETWORK_ID, peerSeed: seedOf(10 + i), listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: [] },
        {
          ...noHandlers,
          gossip(_topic, bytes) {
            latencies.push(performance.now() - Buffer.from(bytes).readDoubleLE(0))
            if (latencies.length === messages * (count - 1)) receivedAll.resolve()
            return 'accept'
          },
        },
      ),
    )
  }
  const pairs = (count * (count - 1)) / 2
  let ready = 0
  const meshed = Promise.withResolvers<void>()
  for (const host of hosts) host.on('peer:ready', () => ++ready === 2 * pairs && meshed.resolve())
  const beganMs = performance.now()
  await Promise.all(hosts.flatMap((host, i) => hosts.slice(i + 1).map((other) => host.connect(other.addresses[0] as string))))
  await meshed.promise
  rows.push({ name: `gossip, ${count} hosts: all ready after`, value: performance.now() - beganMs, unit: 'ms' })
  const cpu = cpuMs()
  for (let i = 0; i < messages; i++) {
    const bytes = Buffer.alloc(1_000, i)
    bytes.writeDoubleLE(performance.now(), 0)
    await hosts[i % count]?.publish('tx', bytes)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const timer = setTimeout(receivedAll.resolve, 5_000)
  await receivedAll.promise
  clearTimeout(timer)
  latencies.sort((a, b) => a - b)
  const at = (q: number) => latencies[Math.floor(q * (latencies.length - 1))] ?? Number.NaN
  rows.push({ name: `gossip, ${count} hosts: delivered`, value: (100 * latencies.length) / (messages * (count - 1)), unit: '%' })
  rows.push({ name: `gossip, ${count} hosts: p50`, value: at(0.5), unit: 'ms' })
  rows.push({ name: `gossip, ${count} hosts: p99`, value: at(0.99), unit: 'ms' })
  rows.push({ name: `gossip, ${count} hosts: CPU per delivery`, value: ((cpuMs() - cpu) * 1000) / latencies.length, unit: 'us' })
  await Promise.all(hosts.map((host) => host.stop()))
}

const turn = () => new Promise((resolve) => setImmediate(resolve))
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

if (role === 'far') await far()
else await main()
