/** A task's people with real keys, its document, its data, and a ledger that knows them. */
import type { TaskState, Ticket, TicketRole, View } from '@pouw/chain'
import { bls, bytesToHex, ed25519PublicKey, schnorrPublicKey, sha256, sha256Hex, utf8 } from '@pouw/crypto'
import { type Hex, type NetworkParams, recordOfDocument, type TaskDocument } from '@pouw/primitives'
import { type CutBatch, cutBatches, splitSegments, syntheticData } from '@pouw/training'
import { type Group, groupOf, type Plan, planOf } from '../src/group.ts'
import { devnetParams } from '../src/networks/devnet.ts'

export const id = (text: string): Hex => sha256Hex(utf8(text))

export const START_S = 1_767_225_600
export const NETWORK: Hex = 'a1b2c3d4'
export const TASK = id('task')
export const TASK_BLOCK = id('task block')
/** The block that everything here is built on. */
export const TIP = id('tip')
export const HEIGHT = 41

/** Somebody with a ticket, and the secrets behind it. */
export interface Worker {
  readonly ticketId: Hex
  readonly ticketSeed: Uint8Array
  readonly blsSecret: Uint8Array
  readonly ticket: Ticket
}

export function worker(name: string, role: TicketRole, state: Ticket['state'], more: Partial<Ticket> = {}): Worker {
  const secret = (use: string) => sha256(utf8(`${use} of ${name}`))
  const ticketSeed = secret('ticket')
  const blsSecret = bls.keyFromSeed(secret('bls'))
  const ticketId = id(`ticket of ${name}`)
  return {
    ticketId,
    ticketSeed,
    blsSecret,
    ticket: {
      id: ticketId,
      role,
      owner: bytesToHex(schnorrPublicKey(secret('wallet'))),
      vrfKey: bytesToHex(ed25519PublicKey(ticketSeed)),
      blsKey: role === 2 || role === 3 ? bytesToHex(bls.publicKey(blsSecret)) : '00'.repeat(48),
      preferences: '00'.repeat(16),
      families: 1,
      price: 1n,
      outpoint: { txid: id(`purchase of ${name}`), index: 0 },
      boughtAt: 0,
      liveAt: 0,
      expiresAt: 1_000_000,
      state,
      ...more,
    },
  }
}

/** Read access to a ledger that holds just these tickets and tasks. */
export function ledger(tickets: readonly Ticket[], tasks: readonly TaskState[] = []): View {
  return {
    height: HEIGHT,
    blockId: TIP,
    ticket: (ticketId) => tickets.find((ticket) => ticket.id === ticketId),
    tickets: ({ role, owner, state } = {}) =>
      tickets.filter(
        (ticket) =>
          (role === undefined || ticket.role === role) &&
          (owner === undefined || ticket.owner === owner) &&
          (state === undefined || ticket.state === state),
      ),
    task: (taskId) => tasks.find((task) => task.id === taskId),
    tasks: () => [...tasks],
    coin: () => undefined,
    coinsOf: () => [],
    coins: () => [],
  }
}

/** 42 training batches of 10 samples for three miners; 172 weights, so that one iteration takes microseconds. */
export const DOCUMENT: TaskDocument = {
  version: 1,
  name: 'tiny',
  payment: { fee: 1000n, quotas: { miners: 7000, supervisors: 2000, evaluators: 1000 } },
  profile: 'f32',
  ml: {
    dataset: {
      name: 'tiny',
      format: 'synthetic',
      samples: 600,
      features: 16,
      classes: 4,
      scale: Math.fround(1 / 255),
      files: [],
      segments: 10,
      testSegments: 3,
    },
    model: {
      type: 'dense',
      layers: [
        { id: 'hidden', nodes: 8, activation: 'relu' },
        { id: 'output', nodes: 4, activation: 'identity' },
      ],
      loss: 'softmax-cross-entropy',
      initializer: { name: 'xavier', magnitude: Math.fround(2.24), seed: 'tiny' },
    },
    // A low tau, so that every iteration announces something: an empty map has no tries.
    optimizer: { type: 'sgd', rate: Math.fround(0.1), warmup: 4, tau: Math.fround(0.3), peerScale: 1 },
    validation: { method: 'none' },
    'evaluation-metrics': ['accuracy', 'cross-entropy'],
    batch: 10,
    epochs: 2,
    staleness: 1,
  },
  workers: {
    miners: 3,
    supervisors: 4,
    evaluators: 2,
    backups: { miners: 0, supervisors: 0, evaluators: 0 },
    minStake: 1n,
    family: 0,
    deadline: 100,
    epsilonBp: 500,
    slotMs: 50,
  },
}

/** The devnet's rules, with three tries for an iteration of this small task. */
export const PARAMS: NetworkParams = { ...devnetParams(START_S), flopsPerTry: 1_000 }

export const MINERS = ['miner a', 'miner b', 'miner c'].map((name) => worker(name, 1, 'ACTIVE', { task: TASK }))
export const SUPERVISORS = ['s0', 's1', 's2', 's3'].map((name) => worker(name, 2, 'ACTIVE', { task: TASK }))

export function taskState(more: Partial<TaskState> = {}): TaskState {
  return {
    id: TASK,
    state: 'TRAINING',
    record: recordOfDocument(DOCUMENT, id('segments root')),
    document: DOCUMENT,
    client: id('client'),
    escrow: { txid: id('escrow'), index: 0 },
    bond: 50n,
    definedAt: 30,
    blockId: TASK_BLOCK,
    participationHeight: 32,
    participants: [],
    miners: MINERS.map((miner) => miner.ticketId),
    supervisors: SUPERVISORS.map((supervisor) => supervisor.ticketId),
    backups: { miners: [], supervisors: [] },
    evaluators: [],
    evaluatorBackups: [],
    history: { lastSlot: -1, root: '00'.repeat(32), records: [] },
    commits: [],
    ...more,
  }
}

export const TICKETS = [...MINERS, ...SUPERVISORS].map((one) => one.ticket)
export const VIEW = ledger(TICKETS, [taskState()])

export function group(document: TaskDocument = DOCUMENT): Group {
  return groupOf(VIEW, taskState({ document }))!
}

/** The training batches of the task, as supervisors cut them. */
export function batchesOf(document: TaskDocument = DOCUMENT): CutBatch[] {
  const { dataset } = document.ml
  const data = syntheticData(document)
  const count = Math.floor(dataset.samples / dataset.segments)
  const { training } = splitSegments(TASK_BLOCK, TASK, dataset.segments, dataset.testSegments)
  const segments = training.map((s) => ({
    count,
    features: data.features.subarray(s * count * dataset.features, (s + 1) * count * dataset.features),
    labels: data.labels.subarray(s * count, (s + 1) * count),
  }))
  return cutBatches(TASK, segments, document)
}

export function plan(document: TaskDocument = DOCUMENT): Plan {
  return planOf(
    group(document),
    batchesOf(document).map((batch) => batch.hash),
  )!
}
