/**
 * The seeded world: many nodes, one thread, one virtual clock and network.
 *
 * Time jumps to the next event. A node is the production brain and computer; only its body is simulated: messages arrive after a seeded
 * delay (in order between two peers, as on a stream), jobs take a modelled time, disks are maps. One seed gives one run, effect by effect;
 * the digest over all effects proves it.
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
}

export interface SimNode {
  readonly name: string
  readonly brain: Brain
  readonly emitted: readonly { readonly atMs: number; readonly name: string; readonly fields: Readonly<Record<string, unknown>> }[]
}

export interface World {
  readonly nowMs: number
  readonly nodes: readonly SimNode[]
  readonly events: number
  add(name: string, config: BrainConfig): SimNode
  command(name: string, command: Extract<Event, { kind: 'command' }>['command']): void
  /** Runs until the condition holds or the virtual time is over; false = time was over, or nothing happens any more. */
  run(until: () => boolean, untilMs: number): boolean
  /** SHA-256 chain over every effect of every node, with its time. */
  digest(): Hex
}

interface Body extends SimNode {
  readonly computer: Computer
  readonly stored: Map<string, Uint8Array>
  readonly blocks: Map<number, CertifiedBlock>
  readonly blobs: Map<Hex, Uint8Array>
  readonly timers: Map<string, number>
  /** The virtual machine works on one job at a time. */
  busyUntilMs: number
  readonly emitted: { atMs: number; name: string; fields: Readonly<Record<string, unknown>> }[]
}

const BLOB_BYTES_PER_MS = 50_000

export function createWorld(options: WorldOptions): World {
  const random = chacha20Words(sha256(utf8(`pouw/sim/${options.seed}`)))
  const queue = createQueue<() => void>()
  const bodies = new Map<string, Body>()
  const digest = createEffectDigest()
  const lastArrival = new Map<string, number>()
  let nowMs = options.startMs
  let events = 0

  const world: World = {
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
        brain: createBrain(config),
        computer: createComputer({ filler: config.genesis.params.filler }),
        stored: new Map(),
        blocks: new Map(),
        blobs: new Map(),
        timers: new Map(),
        busyUntilMs: 0,
        emitted: [],
      }
      bodies.set(name, body)
      queue.push(nowMs, () => {
        tell(body, { kind: 'start', stored: body.stored, blocks: [], peer: name, addresses: [`/sim/${name}`] })
        for (const other of bodies.values()) if (other !== body) tell(body, { kind: 'peer', peer: other.name, connected: true })
      })
      return body
    },
    command(name, command) {
      const body = bodyOf(name)
      queue.push(nowMs, () => tell(body, { kind: 'command', command }))
    },
    run(until, untilMs) {
      while (!until()) {
        const next = queue.pop()
        if (!next) return false
        if (next.atMs > untilMs) {
          queue.push(next.atMs, next.item)
          return false
        }
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

  function latency(): number {
    const [least, most] = options.latencyMs
    return least + Number(random() % BigInt(most - least + 1))
  }

  /** Messages between two peers keep their order. */
  function deliver(from: string, to: string, extraMs: number, act: (body: Body) => void): void {
    const key = `${from}>${to}`
    const at = Math.max(nowMs + latency() + extraMs, lastArrival.get(key) ?? 0)
    lastArrival.set(key, at)
    queue.push(at, () => {
      const body = bodies.get(to)
      if (body) act(body)
    })
  }

  function tell(body: Body, event: Event): void {
    perform(body, body.brain.handle(event, nowMs))
  }

  function perform(body: Body, effects: readonly Effect[]): void {
    for (const effect of effects) {
      digest.add(body.name, nowMs, effect)
      performOne(body, effect)
    }
  }

  function performOne(body: Body, effect: Effect): void {
    switch (effect.kind) {
      case 'gossip':
        for (const other of bodies.values()) {
          if (other === body) continue
          deliver(body.name, other.name, 0, (receiver) =>
            perform(receiver, receiver.brain.gossip(effect.topic, effect.bytes, body.name, nowMs).effects),
          )
        }
        return
      case 'send':
        return deliver(body.name, effect.peer, 0, (receiver) => tell(receiver, { kind: 'message', bytes: effect.bytes, from: body.name }))
      case 'fetch': {
        const own = body.blobs.get(effect.hash)
        const holder = own ? body : effect.peers.map((peer) => bodies.get(peer)).find((peer) => peer?.blobs.has(effect.hash))
        const bytes = holder?.blobs.get(effect.hash)
        const usable = bytes !== undefined && bytes.length <= effect.bytesMax ? bytes : undefined
        const travelMs = own ? 0 : 2 * latency() + Math.ceil((usable?.length ?? 0) / BLOB_BYTES_PER_MS)
        queue.push(nowMs + travelMs, () => tell(body, { kind: 'fetched', id: effect.id, bytes: usable }))
        return
      }
      case 'request':
        return deliver(body.name, effect.peer, 0, (server) => {
          const bytes = server.brain.serve(effect.service, effect.payload)
          deliver(server.name, body.name, Math.ceil((bytes?.length ?? 0) / BLOB_BYTES_PER_MS), (asker) =>
            tell(asker, { kind: 'answered', id: effect.id, bytes }),
          )
        })
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
        queue.push(at, () => {
          if (body.timers.get(effect.id) !== at) return
          body.timers.delete(effect.id)
          tell(body, { kind: 'timer', id: effect.id })
        })
        return
      }
      case 'compute': {
        body.busyUntilMs = Math.max(nowMs, body.busyUntilMs) + options.durationMs(effect.job)
        const result = body.computer.run(effect.job)
        queue.push(body.busyUntilMs, () => tell(body, { kind: 'computed', id: effect.id, result }))
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
