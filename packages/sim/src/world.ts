/**
 * The seeded world: many nodes, one thread, one virtual clock and network.
 *
 * Time jumps to the next event. A node is the production brain and computer; only its body is simulated: messages arrive after a seeded
 * delay (in order between two peers, as on a stream), jobs take a modelled time, disks are maps. One seed gives one run, effect by effect;
 * the digest over all effects proves it.
 *
 * A node can be killed between two events, or in the middle of an event's effects. What its effects made durable (`persist`, `save-block`, `put-blob`) is what it starts from
 * again; brain, computer, timers, jobs and everything on the wire to it are gone.
 */
import { chacha20Words, sha256, utf8 } from '@pouw/crypto'
import { type CertifiedBlock, type Hex, OperationError } from '@pouw/primitives'
import { type Brain, type BrainConfig, type Computer, createBrain, createComputer, type Effect, type Event, type Job } from '@pouw/protocol'
import { createEffectDigest } from './effect-digest.ts'
import { createQueue } from './queue.ts'

export interface WorldOptions {
  readonly seed: number
  /** Virtual start, ms since 1970; the genesis time belongs to it. */
  readonly startMs: number
  /** One-way delay of a message, drawn evenly. */
  readonly latencyMs: readonly [number, number]
  /** Virtual duration of a job. */
  readonly durationMs: (job: Job) => number
  /** Looks at every step after its effects were performed; what it throws ends the run. */
  readonly onStep?: (step: Step) => void
}

/** One event handled by one node. */
export interface Step {
  /** Counts from 1, over all nodes. */
  readonly step: number
  readonly atMs: number
  readonly node: SimNode
  readonly effects: readonly Effect[]
}

export interface SimNode {
  readonly name: string
  /** The brain of the present life, or of the last one while the node is down. */
  readonly brain: Brain
  readonly isUp: boolean
  readonly config: BrainConfig
  /** What its disk holds by SHA-256. */
  readonly blobs: ReadonlyMap<Hex, Uint8Array>
  readonly emitted: readonly { readonly atMs: number; readonly name: string; readonly fields: Readonly<Record<string, unknown>> }[]
}

export interface World {
  readonly startMs: number
  readonly nowMs: number
  readonly nodes: readonly SimNode[]
  readonly events: number
  add(name: string, config: BrainConfig): SimNode
  command(name: string, command: Extract<Event, { kind: 'command' }>['command']): void
  /**
   * Ends a node: it keeps its disk and nothing else. Between two events, or, with `afterEffects`, in the middle of its next event that has
   * more effects than that.
   * @throws RangeError if it is down already
   */
  kill(name: string, afterEffects?: number): void
  /** Starts a killed node from its disk; its operator repeats his commands. @throws RangeError if it is up */
  restart(name: string): void
  /** Runs until the condition holds or nothing is left to do before `untilMs`; true = the condition holds. */
  run(until: () => boolean, untilMs: number): boolean
  /** SHA-256 chain over every effect of every node, with its time. */
  digest(): Hex
}

interface Body extends SimNode {
  brain: Brain
  computer: Computer
  isUp: boolean
  /** Counts starts: what belongs to an earlier life does not reach a later one. */
  life: number
  readonly commands: Command[]
  /** Set while it waits for an event with more effects than this, in the middle of which it dies. */
  dieAfter: number | undefined
  readonly stored: Map<string, Uint8Array>
  readonly blocks: Map<number, CertifiedBlock>
  readonly blobs: Map<Hex, Uint8Array>
  readonly timers: Map<string, number>
  /** The virtual machine works on one job at a time. */
  busyUntilMs: number
  readonly emitted: { atMs: number; name: string; fields: Readonly<Record<string, unknown>> }[]
}

type Command = Extract<Event, { kind: 'command' }>['command']

const BLOB_BYTES_PER_MS = 50_000
/** After so long a request to a peer that has died counts as unanswered. */
const REQUEST_TIMEOUT_MS = 1000

export function createWorld(options: WorldOptions): World {
  const random = chacha20Words(sha256(utf8(`pouw/sim/${options.seed}`)))
  const queue = createQueue<() => void>()
  const bodies = new Map<string, Body>()
  const digest = createEffectDigest()
  const lastArrival = new Map<string, number>()
  let nowMs = options.startMs
  let events = 0

  const world: World = {
    startMs: options.startMs,
    get nowMs() {
      return nowMs
    },
    get nodes() {
      return [...bodies.values()]
    },
    get events() {
      return events
    },
    add(name, config) {
      if (bodies.has(name)) throw new RangeError(`a node named ${name} is in this world already`)
      const body: Body = {
        name,
        config,
        brain: createBrain(config),
        computer: createComputer({ filler: config.genesis.params.filler }),
        isUp: true,
        life: 1,
        commands: [],
        dieAfter: undefined,
        stored: new Map(),
        blocks: new Map(),
        blobs: new Map(),
        timers: new Map(),
        busyUntilMs: 0,
        emitted: [],
      }
      bodies.set(name, body)
      later(body, nowMs, () => start(body))
      return body
    },
    command(name, command) {
      const body = bodyOf(name)
      body.commands.push(command)
      later(body, nowMs, () => tell(body, { kind: 'command', command }))
    },
    kill(name, afterEffects) {
      const body = bodyOf(name)
      if (!body.isUp) throw new RangeError(`${name} is down already`)
      if (afterEffects === undefined) die(body)
      else body.dieAfter = afterEffects
    },
    restart(name) {
      const body = bodyOf(name)
      if (body.isUp) throw new RangeError(`${name} is up`)
      body.isUp = true
      body.life++
      body.brain = createBrain(body.config)
      body.computer = createComputer({ filler: body.config.genesis.params.filler })
      body.busyUntilMs = nowMs
      later(body, nowMs, () => {
        start(body)
        for (const command of body.commands) tell(body, { kind: 'command', command })
      })
      for (const other of others(body)) later(other, nowMs + latency(), () => tell(other, { kind: 'peer', peer: name, connected: true }))
    },
    run(until, untilMs) {
      while (!until()) {
        if (queue.nextMs === undefined || queue.nextMs > untilMs) return false
        const next = queue.pop()!
        nowMs = Math.max(nowMs, next.atMs)
        events++
        next.item()
      }
      return true
    },
    digest: () => digest.value(),
  }
  return world

  function bodyOf(name: string): Body {
    const body = bodies.get(name)
    if (!body) throw new OperationError('not-found', `no node ${name} in this world`)
    return body
  }

  function* others(body: Body): Iterable<Body> {
    for (const other of bodies.values()) if (other !== body && other.isUp) yield other
  }

  function die(body: Body): void {
    body.isUp = false
    body.dieAfter = undefined
    body.timers.clear()
    for (const other of others(body))
      later(other, nowMs + latency(), () => tell(other, { kind: 'peer', peer: body.name, connected: false }))
  }

  /** The brain gets a copy of its disk, as from a real one: what it persists later it does not see in `stored`. */
  function start(body: Body): void {
    const blocks = [...body.blocks].sort(([a], [b]) => a - b).map(([, block]) => block)
    tell(body, { kind: 'start', stored: new Map(body.stored), blocks, peer: body.name, addresses: [`/sim/${body.name}`] })
    for (const other of others(body)) tell(body, { kind: 'peer', peer: other.name, connected: true })
  }

  /** Does something for this life of a node; nothing if it has died by then. */
  function later(body: Body, atMs: number, act: () => void, otherwise?: () => void): void {
    const { life } = body
    queue.push(atMs, () => {
      if (body.isUp && body.life === life) act()
      else otherwise?.()
    })
  }

  function latency(): number {
    const [least, most] = options.latencyMs
    return least + Number(random() % BigInt(most - least + 1))
  }

  /** Messages between two peers keep their order. */
  function deliver(from: string, to: string, extraMs: number, act: (body: Body) => void, lost?: () => void): void {
    const body = bodies.get(to)
    if (!body?.isUp) return lost?.()
    const key = `${from}>${to}`
    const at = Math.max(nowMs + latency() + extraMs, lastArrival.get(key) ?? 0)
    lastArrival.set(key, at)
    later(body, at, () => act(body), lost)
  }

  function tell(body: Body, event: Event): void {
    // It may have died in the step before, in the same moment.
    if (!body.isUp) return
    perform(body, body.brain.handle(event, nowMs))
  }

  function perform(body: Body, effects: readonly Effect[]): void {
    const torn = body.dieAfter !== undefined && effects.length > body.dieAfter
    const done = torn ? effects.slice(0, body.dieAfter) : effects
    for (const effect of done) {
      digest.add(body.name, nowMs, effect)
      performOne(body, effect)
    }
    if (torn) die(body)
    options.onStep?.({ step: events, atMs: nowMs, node: body, effects: done })
  }

  function performOne(body: Body, effect: Effect): void {
    switch (effect.kind) {
      case 'gossip':
        for (const other of others(body)) {
          deliver(body.name, other.name, 0, (receiver) => {
            const { verdict, effects } = receiver.brain.gossip(effect.topic, effect.bytes, body.name, nowMs)
            // What the real network does with a rejected message.
            const penalty: Effect = { kind: 'penalise', peer: body.name, points: 20, reason: `invalid ${effect.topic} gossip` }
            perform(receiver, verdict === 'reject' ? [...effects, penalty] : effects)
          })
        }
        return
      case 'send':
        return deliver(body.name, effect.peer, 0, (receiver) => tell(receiver, { kind: 'message', bytes: effect.bytes, from: body.name }))
      case 'fetch': {
        const own = body.blobs.get(effect.hash)
        const holder = own ? body : effect.peers.map((peer) => bodies.get(peer)).find((peer) => peer?.isUp && peer.blobs.has(effect.hash))
        const bytes = holder?.blobs.get(effect.hash)
        const usable = bytes !== undefined && bytes.length <= effect.bytesMax ? bytes : undefined
        const travelMs = own ? 0 : 2 * latency() + Math.ceil((usable?.length ?? 0) / BLOB_BYTES_PER_MS)
        later(body, nowMs + travelMs, () => tell(body, { kind: 'fetched', id: effect.id, bytes: usable }))
        return
      }
      case 'request': {
        // Whoever asks gets an answer, be it none: a peer that died is a timeout.
        const answer = (bytes: Uint8Array | undefined) => tell(body, { kind: 'answered', id: effect.id, bytes })
        const lost = () => later(body, nowMs + REQUEST_TIMEOUT_MS, () => answer(undefined))
        return deliver(
          body.name,
          effect.peer,
          0,
          (server) => {
            const served = server.brain.serve(effect.service, effect.payload)
            // As the real body does with a request that no honest peer sends.
            if (served === 'malformed')
              perform(server, [{ kind: 'penalise', peer: body.name, points: 20, reason: `${effect.service} request is malformed` }])
            const bytes = served === 'malformed' ? undefined : served
            deliver(server.name, body.name, Math.ceil((bytes?.length ?? 0) / BLOB_BYTES_PER_MS), () => answer(bytes))
          },
          lost,
        )
      }
      case 'put-blob':
        body.blobs.set(effect.hash, effect.bytes)
        return
      case 'drop-blob':
        body.blobs.delete(effect.hash)
        return
      case 'persist':
        if (effect.value === undefined) body.stored.delete(effect.key)
        else body.stored.set(effect.key, effect.value)
        return
      case 'save-block':
        body.blocks.set(effect.height, effect.block)
        return
      case 'timer': {
        const at = Math.max(nowMs, effect.atMs)
        body.timers.set(effect.id, at)
        later(body, at, () => {
          if (body.timers.get(effect.id) !== at) return
          body.timers.delete(effect.id)
          tell(body, { kind: 'timer', id: effect.id })
        })
        return
      }
      case 'compute': {
        body.busyUntilMs = Math.max(nowMs, body.busyUntilMs) + options.durationMs(effect.job)
        const result = body.computer.run(effect.job)
        later(body, body.busyUntilMs, () => tell(body, { kind: 'computed', id: effect.id, result }))
        return
      }
      case 'emit':
        body.emitted.push({ atMs: nowMs, name: effect.name, fields: effect.fields })
        return
      case 'remember':
      case 'penalise':
        return
    }
  }
}
