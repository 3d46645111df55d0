import { connect as connectSocket } from 'node:net'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { createLibp2p } from 'libp2p'
import { afterEach, expect, test } from 'vitest'
import {
  createNetwork,
  defaultLimits,
  type Network,
  type NetworkEvents,
  type NetworkHandlers,
  type NetworkOptions,
  peerIdOf,
} from './index.ts'

const NETWORK_ID = 'ab01'
const running: { stop(): unknown }[] = []
const seedOf = (n: number) => new Uint8Array(32).fill(n)
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text))

afterEach(async () => {
  await Promise.all(running.splice(0).map((host) => host.stop()))
})

async function start(n: number, handlers: Partial<NetworkHandlers> = {}, options: Partial<NetworkOptions> = {}): Promise<Network> {
  const network = await createNetwork(
    { networkId: NETWORK_ID, peerSeed: seedOf(n), listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: [], ...options },
    { gossip: () => 'accept', message: () => {}, request: async () => undefined, ...handlers },
  )
  running.push(network)
  return network
}

/** The next event of this kind that fits. Ask before doing what causes it. */
function next<E extends keyof NetworkEvents>(network: Network, event: E, fits: (detail: NetworkEvents[E]) => boolean = () => true) {
  return new Promise<NetworkEvents[E]>((resolve) => {
    const off = network.on(event, (detail) => {
      if (!fits(detail)) return
      off()
      resolve(detail)
    })
  })
}

/** Connect and wait until gossip flows both ways. */
async function join(a: Network, b: Network): Promise<void> {
  const ready = [next(a, 'peer:ready', ({ peerId }) => peerId === b.peerId), next(b, 'peer:ready', ({ peerId }) => peerId === a.peerId)]
  await a.connect(b.addresses[0] as string)
  await Promise.all(ready)
}

/** Collects what arrives and tells when there are so many. */
function inbox() {
  const received: string[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  return {
    received,
    put(bytes: Uint8Array) {
      received.push(textOf(bytes))
      for (const { count, resolve } of waiting) if (received.length >= count) resolve()
    },
    holds: (count: number) =>
      new Promise<void>((resolve) => (received.length >= count ? resolve() : void waiting.push({ count, resolve }))),
  }
}

/** A libp2p host of an attacker, who speaks the transport but not our manners. */
async function attacker() {
  const host = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify({ protocolPrefix: `pouw/${NETWORK_ID}` }) },
  })
  running.push(host)
  const open = (to: Network, protocol: string) => host.dialProtocol(multiaddr(to.addresses[0] as string), protocol)
  return { peerId: host.peerId.toString(), open }
}

function lengthPrefix(length: number): Uint8Array {
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32LE(length)
  return prefix
}

test('the peer id follows from the seed and stands in the addresses', async () => {
  const a = await start(1)
  expect(a.peerId).toBe(await peerIdOf(seedOf(1)))
  expect(a.addresses).toHaveLength(1)
  expect(a.addresses[0]).toMatch(new RegExp(`^/ip4/127.0.0.1/tcp/\\d+/p2p/${a.peerId}$`))
  expect(a.peers()).toEqual([])
})

test('misuse is refused by name', async () => {
  const options = { networkId: NETWORK_ID, peerSeed: seedOf(1), listen: [], bootstrap: [] }
  const handlers: NetworkHandlers = { gossip: () => 'accept', message: () => {}, request: async () => undefined }
  await expect(createNetwork({ ...options, networkId: 'XY' }, handlers)).rejects.toThrow(TypeError)
  await expect(createNetwork({ ...options, peerSeed: new Uint8Array(31) }, handlers)).rejects.toThrow(TypeError)
  await expect(createNetwork({ ...options, bootstrap: ['/ip4/127.0.0.1/tcp/1'] }, handlers)).rejects.toThrow(TypeError)
  await expect(createNetwork({ ...options, limits: { frameBytes: 0 } }, handlers)).rejects.toThrow(RangeError)
  const a = await start(1)
  expect(() => a.send(a.peerId, new Uint8Array(0))).toThrow(RangeError)
  expect(() => a.send(a.peerId, new Uint8Array(defaultLimits.frameBytes + 1))).toThrow(RangeError)
  await expect(a.publish('tx', new Uint8Array(256 * 1024 + 1))).rejects.toThrow(RangeError)
  await expect(a.connect('nonsense')).rejects.toThrow(TypeError)
})

test('two hosts exchange frames of all sizes in order, both ways', async () => {
  const sizes = [1, 2, 100, 65_535, 65_536, 200_000, 1024 * 1024, 3]
  const [boxA, boxB] = [inbox(), inbox()]
  const a = await start(1, { message: (bytes) => boxA.put(bytes) })
  const b = await start(2, { message: (bytes) => boxB.put(bytes) })
  const connected = next(b, 'peer:connect')
  await a.connect(b.addresses[0] as string)
  await connected
  const frames = Array.from({ length: 400 }, (_, i) =>
    `${i}:`.padEnd(sizes[i % sizes.length] as number, String(i % 10)).slice(0, 1024 * 1024),
  )
  const total = { a: 0, b: 0 }
  for (const text of frames) {
    while (!a.send(b.peerId, bytesOf(text))) await new Promise((resolve) => setImmediate(resolve))
    if (b.send(a.peerId, bytesOf(text.slice(0, 50)))) total.b++
  }
  await boxB.holds(frames.length)
  expect(boxB.received).toEqual(frames)
  await boxA.holds(total.b)
  expect(boxA.received).toEqual(frames.slice(0, total.b).map((text) => text.slice(0, 50)))
  expect(b.stats().framesReceived).toBe(frames.length)
})

test('the queue is bounded by bytes and count, and what it refuses is counted', async () => {
  const a = await start(1, {}, { limits: { queueFrames: 3, queueBytes: 100 } })
  const b = await start(2)
  expect(a.send(b.peerId, new Uint8Array(1))).toBe(false) // neither connection nor address
  a.remember(b.peerId, b.addresses)
  expect([1, 2, 3, 4].map(() => a.send(b.peerId, new Uint8Array(1)))).toEqual([true, true, true, false])
  expect(a.send(b.peerId, new Uint8Array(101))).toBe(false)
  expect(a.send(a.peerId, new Uint8Array(1))).toBe(false)
  expect(a.stats().framesRefused).toBe(4)
})

test('send and request dial remembered addresses by themselves', async () => {
  const box = inbox()
  const a = await start(1)
  const b = await start(2, { message: (bytes) => box.put(bytes), request: async (_service, payload) => payload })
  const c = await start(3)
  a.remember(b.peerId, b.addresses)
  expect(a.send(b.peerId, bytesOf('hello'))).toBe(true)
  await box.holds(1)
  c.remember(b.peerId, b.addresses)
  expect(textOf(await c.request(b.peerId, 'mempool', bytesOf('echo'), { maxBytes: 10, timeoutMs: 5_000 }))).toBe('echo')
})

test('requests: answer, empty answer, not found, too large, failing handler, timeout, abort, nobody there', async () => {
  const never = Promise.withResolvers<undefined>()
  const logged: string[] = []
  const b = await start(
    2,
    {
      async request(service, payload, from) {
        const what = textOf(payload)
        if (what === 'missing') return undefined
        if (what === 'hang') return never.promise
        if (what === 'throw') throw new Error('handler broke')
        if (what === 'empty') return new Uint8Array(0)
        return bytesOf(`${service} ${what} ${from}`)
      },
    },
    { log: (level, text) => level === 'error' && logged.push(text) },
  )
  const a = await start(1)
  await a.connect(b.addresses[0] as string)
  const ask = (what: string, options: { maxBytes?: number; timeoutMs?: number; signal?: AbortSignal } = {}) =>
    a.request(b.peerId, 'blob', bytesOf(what), { maxBytes: 1_000, timeoutMs: 5_000, ...options })
  expect(textOf(await ask('x'))).toBe(`blob x ${a.peerId}`)
  expect(await ask('empty')).toHaveLength(0)
  await expect(ask('missing')).rejects.toMatchObject({ code: 'not-found' })
  await expect(ask('x', { maxBytes: 10 })).rejects.toMatchObject({ code: 'too-large' })
  await expect(ask('throw')).rejects.toMatchObject({ code: 'unavailable' })
  expect(logged).toEqual(['request handler threw'])
  await expect(ask('hang', { timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout', retryable: true })
  const controller = new AbortController()
  const hanging = ask('hang', { signal: controller.signal })
  controller.abort()
  await expect(hanging).rejects.toMatchObject({ code: 'aborted' })
  await expect(ask('x', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
  const nobody = await peerIdOf(seedOf(99))
  await expect(a.request(nobody, 'blob', bytesOf('x'), { maxBytes: 1, timeoutMs: 5_000 })).rejects.toMatchObject({ code: 'unavailable' })
  expect(textOf(await ask('y'))).toBe(`blob y ${a.peerId}`)
  const stopped = ask('hang')
  const refused = expect(stopped).rejects.toMatchObject({ code: 'aborted' })
  await a.stop()
  await refused
  never.resolve(undefined)
})

test('more requests than fit at once wait their turn; a bulk answer arrives whole', async () => {
  const bulk = new Uint8Array(10_000_000).map((_, i) => i % 251)
  let atOnce = 0
  let most = 0
  const b = await start(
    2,
    {
      async request(service) {
        most = Math.max(most, ++atOnce)
        await new Promise((resolve) => setImmediate(resolve))
        atOnce--
        return service === 'blob' ? bulk : new Uint8Array(1)
      },
    },
    { limits: { requestsPerPeer: 4 } },
  )
  const a = await start(1, {}, { limits: { requestsPerPeer: 4 } })
  await a.connect(b.addresses[0] as string)
  const options = { maxBytes: bulk.length, timeoutMs: 30_000 }
  const [body, ...small] = await Promise.all([
    a.request(b.peerId, 'blob', new Uint8Array(0), options),
    ...Array.from({ length: 60 }, () => a.request(b.peerId, 'mempool', new Uint8Array(0), options)),
  ])
  expect(Buffer.compare(body as Uint8Array, bulk)).toBe(0)
  expect(small.every(({ length }) => length === 1)).toBe(true)
  expect(most).toBeLessThanOrEqual(4)
})

test('gossip crosses a line of five hosts once each; an invalid message stops and costs its sender', async () => {
  const boxes = Array.from({ length: 5 }, inbox)
  const hosts: Network[] = []
  for (const [i, box] of boxes.entries())
    hosts.push(
      await start(i + 1, {
        gossip(topic, bytes) {
          if (textOf(bytes) === 'bad' && i !== 0) return 'reject'
          box.put(bytesOf(`${topic} ${textOf(bytes)}`))
          return 'accept'
        },
      }),
    )
  const [a, b, c, d, e] = hosts as [Network, Network, Network, Network, Network]
  await Promise.all([join(a, b), join(b, c), join(c, d), join(d, e)])
  await a.publish('tx', bytesOf('one'))
  await e.publish('block', bytesOf('two'))
  await Promise.all([boxes[1], boxes[2], boxes[3]].map((box) => box?.holds(2)))
  await Promise.all([boxes[0]?.holds(1), boxes[4]?.holds(1)])
  expect(boxes[0]?.received).toEqual(['block two'])
  expect(boxes[4]?.received).toEqual(['tx one'])
  expect(boxes[2]?.received.toSorted()).toEqual(['block two', 'tx one'])

  const penalty = next(b, 'penalty')
  await a.publish('digest', bytesOf('bad'))
  expect(await penalty).toMatchObject({ peerId: a.peerId, points: 20, score: expect.closeTo(-20, 1) })
  expect(b.peers().find(({ peerId }) => peerId === a.peerId)?.score).toBeLessThan(-19)
  // A later message passes, the invalid one never came to the third host.
  await a.publish('digest', bytesOf('after'))
  await boxes[4]?.holds(2)
  expect(boxes[2]?.received.toSorted()).toEqual(['block two', 'digest after', 'tx one'])
  expect(c.stats().gossipRejected).toBe(0)
})

test('publishing without peers, twice, or with a throwing handler is quiet', async () => {
  const logged = Promise.withResolvers<string>()
  const a = await start(1)
  await a.publish('tx', bytesOf('lonely'))
  const b = await start(
    2,
    {
      gossip() {
        throw new Error('handler broke')
      },
    },
    { log: (level, text) => level === 'error' && logged.resolve(text) },
  )
  await join(a, b)
  await a.publish('tx', bytesOf('again'))
  await a.publish('tx', bytesOf('again'))
  expect(await logged.promise).toBe('gossip handler threw')
  expect(b.peers()[0]?.score).toBe(0)
})

test('the same bytes under another topic are another message', async () => {
  const box = inbox()
  const a = await start(1)
  const b = await start(2, {
    gossip(topic) {
      box.put(bytesOf(topic))
      return topic === 'tx' ? 'ignore' : 'accept'
    },
  })
  await join(a, b)
  await a.publish('tx', bytesOf('same'))
  await a.publish('block', bytesOf('same'))
  await box.holds(2)
  expect(box.received.toSorted()).toEqual(['block', 'tx'])
})

test('a frame that announces 64 MiB is refused at its length, the stream reset, the peer penalised, then banned', async () => {
  const box = inbox()
  const a = await start(1, { message: (bytes) => box.put(bytes) })
  const evil = await attacker()
  const stream = await evil.open(a, `/pouw/${NETWORK_ID}/msg/1`)
  const reset = new Promise((resolve) => stream.addEventListener('close', resolve))
  const penalty = next(a, 'penalty')
  stream.send(lengthPrefix(64 * 1024 * 1024))
  expect(await penalty).toMatchObject({ peerId: evil.peerId, points: 60 })
  await reset
  expect(stream.status).toBe('reset')

  const banned = next(a, 'ban')
  const gone = next(a, 'peer:disconnect')
  const second = await evil.open(a, `/pouw/${NETWORK_ID}/msg/1`)
  second.send(lengthPrefix(0))
  expect(await banned).toMatchObject({ peerId: evil.peerId })
  expect(await gone).toMatchObject({ peerId: evil.peerId })
  expect(a.peers()).toEqual([])
  expect(box.received).toEqual([])
  await expect(evil.open(a, `/pouw/${NETWORK_ID}/msg/1`)).rejects.toThrow()
})

test('request streams: oversized payload, zero limit and silence each cost points', async () => {
  const a = await start(1, {}, { limits: { stallMs: 50 } })
  const cases: [Uint8Array, number][] = [
    [Buffer.concat([lengthPrefix(10), lengthPrefix(64 * 1024 * 1024)]), 60],
    [Buffer.concat([lengthPrefix(0), lengthPrefix(1)]), 60],
    [lengthPrefix(10), 10],
  ]
  for (const [bytes, points] of cases) {
    const evil = await attacker()
    const stream = await evil.open(a, `/pouw/${NETWORK_ID}/blocks/1`)
    const closed = new Promise((resolve) => stream.addEventListener('close', resolve))
    const penalty = next(a, 'penalty')
    stream.send(bytes)
    expect(await penalty).toMatchObject({ peerId: evil.peerId, points })
    await closed
  }
})

test('a peer whose answer is longer than was asked for is penalised', async () => {
  const a = await start(1)
  const host = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  })
  running.push(host)
  await host.handle(`/pouw/${NETWORK_ID}/blob/1`, (stream) => {
    stream.send(Buffer.concat([new Uint8Array(1), lengthPrefix(0xffff_fff0)]))
  })
  const peerId = host.peerId.toString()
  a.remember(peerId, [String(host.getMultiaddrs()[0])])
  const penalty = next(a, 'penalty')
  await expect(a.request(peerId, 'blob', new Uint8Array(1), { maxBytes: 100, timeoutMs: 5_000 })).rejects.toMatchObject({
    code: 'too-large',
  })
  expect(await penalty).toMatchObject({ peerId, points: 60 })
})

test('random bytes on the socket and on every protocol leave the host working', async () => {
  const box = inbox()
  const escaped: unknown[] = []
  const onEscape = (error: unknown) => escaped.push(error)
  process.on('unhandledRejection', onEscape)
  const a = await start(1, { message: (bytes) => box.put(bytes), request: async (_service, payload) => payload })
  const chunk = fc.uint8Array({ minLength: 1, maxLength: 3_000 })
  const protocols = [
    ...['msg', 'blob', 'blocks', 'slots', 'mempool'].map((name) => `/pouw/${NETWORK_ID}/${name}/1`),
    ...['id', 'id/push', 'ping'].map((name) => `/pouw/${NETWORK_ID}/${name}/1.0.0`),
    '/meshsub/1.2.0',
    '/meshsub/1.1.0',
    '/meshsub/1.0.0',
  ]
  for (const protocol of protocols) {
    let used = 0
    for (const bytes of fc.sample(chunk, { numRuns: 6, seed: 7 })) {
      const evil = await attacker()
      try {
        const stream = await evil.open(a, protocol)
        const closed = new Promise((resolve) => stream.addEventListener('close', resolve))
        stream.send(bytes)
        used++
        await Promise.race([stream.close(), closed])
      } catch {
        // Some protocols are not offered or the stream was reset first; only the host's health counts.
      }
    }
    if (!protocol.includes('/id/')) expect(used, protocol).toBeGreaterThan(0)
  }
  const { port, host } = addressOf(a)
  for (const bytes of fc.sample(chunk, { numRuns: 20, seed: 8 })) {
    const socket = connectSocket(port, host)
    const ended = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {})
    socket.end(bytes)
    await ended
  }
  const b = await start(2)
  await join(b, a)
  expect(b.send(a.peerId, bytesOf('still here'))).toBe(true)
  await box.holds(1)
  expect(box.received.at(-1)).toBe('still here')
  expect(textOf(await b.request(a.peerId, 'mempool', bytesOf('echo'), { maxBytes: 10, timeoutMs: 5_000 }))).toBe('echo')
  process.off('unhandledRejection', onEscape)
  expect(escaped).toEqual([])
})

test('a restarted peer is redialled, and send, request and gossip work again', async () => {
  const box = inbox()
  const news = inbox()
  const early = inbox()
  const first = await start(2, { message: (bytes) => early.put(bytes) })
  const port = addressOf(first).port
  const a = await start(1, {}, { bootstrap: [first.addresses[0] as string] })
  await next(a, 'peer:ready')
  expect(a.send(first.peerId, bytesOf('before'))).toBe(true)
  await early.holds(1)
  const gone = next(a, 'peer:disconnect')
  await first.stop()
  await gone
  // Queued while the peer is away; delivered when it is back.
  expect(a.send(first.peerId, bytesOf('meanwhile'))).toBe(true)
  const ready = next(a, 'peer:ready')
  await start(
    2,
    {
      message: (bytes) => box.put(bytes),
      request: async () => bytesOf('back'),
      gossip(_topic, bytes) {
        news.put(bytes)
        return 'accept'
      },
    },
    { listen: [`/ip4/127.0.0.1/tcp/${port}`] },
  )
  await ready
  expect(a.send(first.peerId, bytesOf('after'))).toBe(true)
  await box.holds(2)
  expect(box.received).toEqual(['meanwhile', 'after'])
  expect(textOf(await a.request(first.peerId, 'mempool', new Uint8Array(0), { maxBytes: 10, timeoutMs: 5_000 }))).toBe('back')
  await a.publish('task', bytesOf('news'))
  await news.holds(1)
})

test('a first connection that fails is tried again until the peer appears', async () => {
  const late = await start(2)
  const address = late.addresses[0] as string
  const port = addressOf(late).port
  await late.stop()
  const a = await start(1)
  await expect(a.connect(address)).rejects.toMatchObject({ code: 'unavailable' })
  const connected = next(a, 'peer:connect')
  await start(2, {}, { listen: [`/ip4/127.0.0.1/tcp/${port}`] })
  expect(await connected).toEqual({ peerId: late.peerId })
})

test('penalise bans at -100: disconnected, kept out, sends refused; a shorter ban ends', async () => {
  const a = await start(1, {}, { limits: { banMs: 300 } })
  const b = await start(2)
  await a.connect(b.addresses[0] as string)
  a.penalise(b.peerId, 60, 'test')
  expect(a.peers()[0]?.score).toBeCloseTo(-60, 1)
  const banned = next(a, 'ban')
  const gone = next(a, 'peer:disconnect')
  const back = gone.then(() => next(a, 'peer:connect'))
  a.penalise(b.peerId, 60, 'test')
  expect((await banned).reason).toBe('test')
  await gone
  expect(a.send(b.peerId, bytesOf('no'))).toBe(false)
  await expect(a.request(b.peerId, 'mempool', new Uint8Array(0), { maxBytes: 1, timeoutMs: 5_000 })).rejects.toMatchObject({
    code: 'unavailable',
  })
  // The address is kept, so redialling ends the separation once the ban is over.
  await back
  expect(a.peers().map(({ peerId }) => peerId)).toEqual([b.peerId])
})

test('stop is idempotent and everything after it is quiet', async () => {
  const a = await start(1)
  await Promise.all([a.stop(), a.stop()])
  expect(a.send(await peerIdOf(seedOf(2)), new Uint8Array(1))).toBe(false)
  await a.publish('tx', new Uint8Array(1))
  await expect(a.request(a.peerId, 'mempool', new Uint8Array(0), { maxBytes: 1, timeoutMs: 1 })).rejects.toMatchObject({ code: 'aborted' })
  expect(a.peers()).toEqual([])
})

function addressOf(network: Network): { host: string; port: number } {
  const [, , host, , port] = (network.addresses[0] as string).split('/')
  return { host: host as string, port: Number(port) }
}
