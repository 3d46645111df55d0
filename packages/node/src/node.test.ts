import { bytesToHex, sha256Hex } from '@pouw/crypto'
import type { Network, NetworkEvents, NetworkHandlers } from '@pouw/p2p'
import { OperationError } from '@pouw/primitives'
import type { Brain, Effect, Event } from '@pouw/protocol'
import { expect, test } from 'vitest'
import { createNode, defaultNodeConfig, type NodeConfig, type NodePorts } from './node.ts'
import { createMemoryBlobs } from './store/blobs.ts'
import { createMemoryDisk, openMemoryStore } from './store/memory-store.ts'
import type { Store } from './store/store.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)
/** Lets everything that is ready run. */
const settle = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

type Script = (event: Event) => Effect[]

/** A node around a brain that follows a script, in a world whose every part can be looked at. */
async function world(
  script: Script,
  more: Partial<{ store: Store; gossip: Brain['gossip']; answers: Record<string, Uint8Array>; config: Partial<NodeConfig> }> = {},
) {
  const log: string[] = []
  const events: Event[] = []
  const remarks: [string, Readonly<Record<string, unknown>>][] = []
  const disk = createMemoryDisk()
  const blobs = createMemoryBlobs()
  let handlers: NetworkHandlers | undefined
  const listeners = new Map<string, (detail: never) => void>()
  let nowMs = 1_000
  const due: { atMs: number; callback: () => void }[] = []

  const network: Network = {
    peerId: 'me',
    addresses: ['/ip4/127.0.0.1/tcp/1/p2p/me'],
    peers: () => [],
    connect: async () => {},
    remember: (peer, addresses) => void log.push(`remember ${peer} ${addresses}`),
    publish: async (topic, message) => void log.push(`publish ${topic} ${bytesToHex(message)}`),
    send: (peer, message) => log.push(`send ${peer} ${bytesToHex(message)}`) > 0,
    async request(peer, service, payload) {
      log.push(`request ${peer} ${service}`)
      const answer = more.answers?.[`${peer}/${service === 'blob' ? bytesToHex(payload).slice(0, 8) : service}`]
      if (!answer) throw new OperationError('not-found', 'no such thing')
      return answer
    },
    penalise: (peer, points, reason) => void log.push(`penalise ${peer} ${points} ${reason}`),
    on(event, listener) {
      listeners.set(event, listener as never)
      return () => {}
    },
    stats: () => ({}) as never,
    stop: async () => void log.push('network stopped'),
  }
  const ports: NodePorts = {
    brain: {
      handle(event) {
        events.push(event)
        return script(event)
      },
      gossip: more.gossip ?? (() => ({ verdict: 'accept', effects: [] })),
      serve: (service, payload) => (service === 'blocks' ? payload : undefined),
      status: () => ({}) as never,
      result: () => undefined,
      chain: {} as never,
    },
    async openNetwork(given) {
      handlers = given
      return network
    },
    store: more.store ?? openMemoryStore(disk),
    blobs,
    compute: {
      async run(job) {
        log.push(`compute ${job.kind}`)
        if (job.kind === 'final-model') throw new OperationError('unavailable', 'the thread died')
        return { kind: 'close-run' }
      },
      close: async () => {},
    },
    clock: {
      now: () => nowMs,
      after(delayMs, callback) {
        const entry = { atMs: nowMs + delayMs, callback }
        due.push(entry)
        return () => void due.splice(due.indexOf(entry), 1)
      },
    },
    emit: (name, fields) => void remarks.push([name, fields]),
  }
  const node = await createNode({ ...defaultNodeConfig, ...more.config }, ports)
  return {
    node,
    log,
    events,
    remarks,
    disk,
    blobs,
    handlers: handlers!,
    fire: <E extends keyof NetworkEvents>(event: E, detail: NetworkEvents[E]) => listeners.get(event)!(detail as never),
    advance(ms: number) {
      nowMs += ms
      for (const entry of due.filter(({ atMs }) => atMs <= nowMs)) {
        due.splice(due.indexOf(entry), 1)
        entry.callback()
      }
    },
    names: () => remarks.map(([name]) => name),
  }
}

const onStart =
  (...effects: Effect[]): Script =>
  (event) =>
    event.kind === 'start' ? effects : []

test('the first event is the start, with what the store held and who we are', async () => {
  const disk = createMemoryDisk()
  disk.values.set('key', bytes(7))
  const { events, node } = await world(() => [], { store: openMemoryStore(disk) })
  expect(events).toEqual([{ kind: 'start', stored: new Map([['key', bytes(7)]]), blocks: [], peer: 'me', addresses: node.addresses }])
  await node.stop()
  await node.done
})

test('nothing leaves before what was persisted ahead of it is durable, and the order is kept', async () => {
  let release = () => {}
  const inner = openMemoryStore()
  const store: Store = { ...inner, flush: () => new Promise((resolve) => (release = () => resolve(inner.flush()))) }
  const { log, node, handlers, fire } = await world(
    onStart(
      { kind: 'send', peer: 'p', bytes: bytes(1) },
      { kind: 'persist', key: 'k', value: bytes(1) },
      { kind: 'send', peer: 'p', bytes: bytes(2) },
      { kind: 'gossip', topic: 'tx', bytes: bytes(3) },
      { kind: 'compute', id: 1, job: { kind: 'close-run', run: 'r' } },
    ),
    { store },
  )
  fire('peer:ready', { peerId: 'p' })
  await settle()
  // What came before the write has left, what came after it waits; reading and computing go on meanwhile.
  expect(log).toEqual(['send p 01', 'compute close-run'])
  expect(await handlers.request('blocks', bytes(9), 'q')).toEqual(bytes(9))
  release()
  await settle()
  expect(log.slice(2)).toEqual(['send p 02', 'publish tx 03'])
  const stopped = node.stop()
  release()
  await stopped
})

test('a send in a later event still waits for an earlier write', async () => {
  let release = () => {}
  const inner = openMemoryStore()
  const store: Store = { ...inner, flush: () => new Promise((resolve) => (release = () => resolve(inner.flush()))) }
  const { log, handlers } = await world(
    (event) =>
      event.kind === 'start'
        ? [{ kind: 'persist', key: 'k', value: bytes(1) }]
        : event.kind === 'message'
          ? [{ kind: 'send', peer: 'p', bytes: event.bytes }]
          : [],
    { store },
  )
  handlers.message(bytes(5), 'q')
  await settle()
  expect(log).toEqual([])
  release()
  await settle()
  expect(log).toEqual(['send p 05'])
})

test('a disk that refuses to write stops the node before anything leaves', async () => {
  const store: Store = { ...openMemoryStore(), flush: () => Promise.reject(new OperationError('io', 'disk full')), close: async () => {} }
  const { log, node } = await world(onStart({ kind: 'persist', key: 'k', value: bytes(1) }, { kind: 'send', peer: 'p', bytes: bytes(2) }), {
    store,
  })
  await expect(node.done).rejects.toThrow('disk full')
  expect(log).toEqual(['network stopped'])
})

test('a brain that throws stops the node', async () => {
  const { node, handlers } = await world((event) => {
    if (event.kind === 'message') throw new Error('an invariant broke')
    return []
  })
  handlers.message(bytes(1), 'q')
  await expect(node.done).rejects.toThrow('an invariant broke')
  // Nobody is answered by a dead brain.
  expect(handlers.gossip('tx', bytes(1), 'q')).toBe('ignore')
  expect(await handlers.request('blocks', bytes(1), 'q')).toBeUndefined()
})

test('one failing effect is remarked and the others are performed', async () => {
  const { log, remarks, node, events } = await world(
    onStart(
      { kind: 'put-blob', hash: 'x', bytes: bytes(1) },
      { kind: 'compute', id: 4, job: { kind: 'final-model', run: 'r', maps: [] } },
      { kind: 'remember', peer: 'p', addresses: ['a'] },
      { kind: 'emit', name: 'hello', fields: { n: 1 } },
    ),
  )
  await settle()
  expect(log).toContain('remember p a')
  expect(remarks).toContainEqual(['hello', { n: 1 }])
  expect(remarks).toContainEqual(['effect-failed', { effect: 'compute', error: 'the thread died' }])
  expect(events).toContainEqual({ kind: 'computed', id: 4, result: { kind: 'refused', code: 'compute-unavailable' } })
  await node.stop()
})

test('timers wake once, the later of two with one id counts, and an early clock is not believed', async () => {
  const { events, advance, node } = await world(
    onStart({ kind: 'timer', id: 'a', atMs: 1_050 }, { kind: 'timer', id: 'a', atMs: 1_100 }, { kind: 'timer', id: 'past', atMs: 10 }),
  )
  const woken = () => events.filter((event) => event.kind === 'timer').map((event) => event.id)
  advance(0)
  expect(woken()).toEqual(['past'])
  advance(60)
  expect(woken()).toEqual(['past'])
  advance(60)
  expect(woken()).toEqual(['past', 'a'])
  advance(1_000)
  expect(woken()).toEqual(['past', 'a'])
  await node.stop()
})

test('bytes are taken from our own disk, else from honest peers, and liars are told', async () => {
  const own = bytes(1, 2, 3)
  const far = bytes(4, 5, 6)
  const key = sha256Hex(far).slice(0, 8)
  const { events, log, blobs, node, handlers } = await world(
    (event) =>
      event.kind === 'message'
        ? [
            { kind: 'fetch', id: 1, hash: sha256Hex(own), peers: ['p'], bytesMax: 100 },
            { kind: 'fetch', id: 2, hash: sha256Hex(far), peers: ['me', 'empty', 'liar', 'honest', 'unasked'], bytesMax: 100 },
            { kind: 'fetch', id: 3, hash: sha256Hex(far), peers: ['late'], bytesMax: 2 },
            { kind: 'fetch', id: 4, hash: '00'.repeat(32), peers: ['empty'], bytesMax: 100 },
          ]
        : [],
    { answers: { [`liar/${key}`]: bytes(9), [`honest/${key}`]: far } },
  )
  blobs.put(sha256Hex(own), own)
  handlers.message(bytes(1), 'q')
  await settle()
  const fetched = events.filter((event) => event.kind === 'fetched')
  expect(fetched.sort((a, b) => a.id - b.id)).toEqual([
    { kind: 'fetched', id: 1, bytes: own },
    { kind: 'fetched', id: 2, bytes: far },
    // The same search, but too long for this one.
    { kind: 'fetched', id: 3, bytes: undefined },
    { kind: 'fetched', id: 4, bytes: undefined },
  ])
  const asked = log.filter((line) => line.startsWith('request')).sort()
  expect(asked).toEqual(['request empty blob', 'request empty blob', 'request honest blob', 'request liar blob'])
  expect(log.filter((line) => line.startsWith('penalise'))).toEqual(['penalise liar 50 answered a request for bytes with other bytes'])
  await node.stop()
})

test('requests are answered, and silence is an answer too', async () => {
  const { events, node } = await world(
    onStart(
      { kind: 'request', id: 1, peer: 'p', service: 'blocks', payload: bytes(1) },
      { kind: 'request', id: 2, peer: 'gone', service: 'slots', payload: bytes(1) },
    ),
    { answers: { 'p/blocks': bytes(8) } },
  )
  await settle()
  expect(events.slice(1)).toEqual([
    { kind: 'answered', id: 1, bytes: bytes(8) },
    { kind: 'answered', id: 2, bytes: undefined },
  ])
  await node.stop()
})

test('peers are served blobs by hash and the brain answers the rest', async () => {
  const blob = bytes(1, 2, 3)
  const { handlers, blobs, node } = await world(() => [])
  blobs.put(sha256Hex(blob), blob)
  const hash = Uint8Array.from(Buffer.from(sha256Hex(blob), 'hex'))
  expect(await handlers.request('blob', hash, 'q')).toEqual(blob)
  expect(await handlers.request('blob', hash.subarray(1), 'q')).toBeUndefined()
  expect(await handlers.request('slots', bytes(1), 'q')).toBeUndefined()
  expect(await handlers.request('mempool', bytes(), 'q')).toBeUndefined()
  await node.stop()
})

test('gossip is judged at once and its effects performed', async () => {
  const { handlers, log, node } = await world(() => [], {
    gossip: (topic, message, from) => ({
      verdict: 'reject',
      effects: [{ kind: 'penalise', peer: from, points: message[0]!, reason: topic }],
    }),
  })
  expect(handlers.gossip('block', bytes(3), 'q')).toBe('reject')
  expect(log).toEqual(['penalise q 3 block'])
  await node.stop()
})

test('gossip that nobody could hear is said when the first peer is ready', async () => {
  const gossip = (value: number): Effect => ({ kind: 'gossip', topic: 'tx', bytes: bytes(value) })
  const { log, fire, node } = await world(onStart(gossip(1), gossip(2), gossip(3)), { config: { unheardMax: 2 } })
  await settle()
  expect(log).toEqual([])
  fire('peer:ready', { peerId: 'p' })
  fire('peer:ready', { peerId: 'q' })
  expect(log).toEqual(['publish tx 02', 'publish tx 03'])
  await node.stop()
})

test('a peer counts from the moment gossip reaches it until it is gone', async () => {
  const { events, fire, node } = await world(() => [])
  fire('peer:disconnect', { peerId: 'never ready' })
  fire('peer:ready', { peerId: 'p' })
  fire('peer:disconnect', { peerId: 'p' })
  expect(events.slice(1)).toEqual([
    { kind: 'peer', peer: 'p', connected: true },
    { kind: 'peer', peer: 'p', connected: false },
  ])
  await node.stop()
})

test('what an effect triggers at once waits its turn', async () => {
  const order: string[] = []
  const running: { handlers?: NetworkHandlers } = {}
  const { handlers, node } = await world((event) => {
    order.push(`in ${event.kind === 'message' ? event.bytes[0] : event.kind}`)
    const inner = event.kind === 'message' && event.bytes[0] === 1
    // An emit that posts another event while the first is being performed.
    if (inner) running.handlers!.message(bytes(2), 'q')
    order.push(`out ${event.kind === 'message' ? event.bytes[0] : event.kind}`)
    return []
  })
  running.handlers = handlers
  handlers.message(bytes(1), 'q')
  expect(order).toEqual(['in start', 'out start', 'in 1', 'out 1', 'in 2', 'out 2'])
  await node.stop()
})

test('messages beyond the bound are dropped and told', async () => {
  const running: { handlers?: NetworkHandlers } = {}
  const { handlers, events, remarks, node } = await world(
    (event) => {
      if (event.kind === 'message' && event.bytes[0] === 1) for (let i = 0; i < 5; i++) running.handlers!.message(bytes(2), 'q')
      return []
    },
    { config: { eventsMax: 3 } },
  )
  running.handlers = handlers
  handlers.message(bytes(1), 'q')
  expect(events).toHaveLength(2 + 3)
  expect(remarks).toEqual([['events-dropped', { count: 2 }]])
  await node.stop()
})
