/**
 * One node as a process of its own: what `pouw node --config FILE` runs.
 *
 * It talks to whoever started it in lines of JSON on stdout (`NodeLine`), once per second and whenever something happens, and ends on
 * SIGTERM, on SIGINT, or when the pipe to its parent closes, so that no node outlives the devnet it belongs to.
 */
import { join } from 'node:path'
import { OperationError } from '@pouw/primitives'
import type { NodeStatus } from '@pouw/protocol'
import { loadDataset } from './data/load-dataset.ts'
import { readTask } from './data/read-task.ts'
import { toJson } from './json.ts'
import { type DeliveredModel, deliverModel } from './model-card.ts'
import type { NodeProcessConfig } from './node-config.ts'
import { startNode } from './start-node.ts'

/** NodeStatus as it looks after JSON: amounts are decimal strings. */
export type NodeStatusJson = Omit<NodeStatus, 'balance'> & { readonly balance: string }

/** One line on stdout. */
export type NodeLine =
  | {
      readonly kind: 'ready'
      readonly pid: number
      readonly peerId: string
      readonly addresses: readonly string[]
      readonly height: number
    }
  | { readonly kind: 'status'; readonly status: NodeStatusJson; readonly peers: number; readonly rssBytes: number }
  /** Something the brain or the body emitted; `atMs` is the node's clock. */
  | { readonly kind: 'event'; readonly name: string; readonly fields: Readonly<Record<string, unknown>>; readonly atMs: number }
  /** The client has its model; amounts are decimal strings. */
  | { readonly kind: 'model'; readonly model: unknown }
  | { readonly kind: 'failed'; readonly error: string }

const STATUS_MS = 1_000
/** A node that cannot close its files in this time is ended as it is; everything that left it is durable anyhow. */
const STOP_MS_MAX = 5_000
/** Events told per second; the rest is counted in `events-untold`. */
const EVENTS_PER_SECOND_MAX = 200

/** Runs until it is told to stop. Answers the exit code: 0 stopped, 1 failed with a `failed` line and a message on stderr. */
export async function runNodeProcess(config: NodeProcessConfig): Promise<number> {
  // The parent may be gone before us; a line that nobody reads is no reason to die badly.
  process.stdout.on('error', () => {})
  const say = (line: NodeLine | Record<string, unknown>) => void process.stdout.write(`${toJson(line)}\n`)

  const stopWish = Promise.withResolvers<void>()
  process.on('SIGTERM', () => stopWish.resolve())
  // A terminal sends SIGINT to the whole group; a child waits for its parent's orderly SIGTERM.
  process.on('SIGINT', () => config.endWithStdin || stopWish.resolve())
  if (config.endWithStdin) {
    process.stdin.on('end', () => stopWish.resolve())
    process.stdin.on('error', () => stopWish.resolve())
    process.stdin.resume()
  }

  let told = 0
  let untold = 0
  const emit = (name: string, fields: Readonly<Record<string, unknown>>) => {
    if (name === 'task-result') wakeDelivery()
    if (told++ < EVENTS_PER_SECOND_MAX) say({ kind: 'event', name, fields, atMs: Date.now() })
    else untold++
  }
  let delivery: Promise<DeliveredModel | undefined> | undefined
  let delivered: DeliveredModel | undefined
  let wakeDelivery = () => {}

  let ticker: NodeJS.Timeout | undefined
  try {
    const { node, brain, genesis, walletSecret } = await startNode(config, emit)
    const peers = [...new Set([...node.addresses, ...config.bootstrap])]
    const deliver = () => {
      delivery ??= deliverModel(brain, { genesis, walletSecret, peers, folder: join(config.dataDir, 'models') }).then(
        (model) => {
          delivered = model
          if (model) say({ kind: 'model', model })
          else delivery = undefined
          return model
        },
        (error) => {
          delivery = undefined
          process.stderr.write(`cannot write the model: ${(error as Error).message}\n`)
          return undefined
        },
      )
    }
    // After the event that tells of it has been dealt with.
    wakeDelivery = () => void setImmediate(deliver)
    const tick = () => {
      if (untold > 0) say({ kind: 'event', name: 'events-untold', fields: { count: untold }, atMs: Date.now() })
      told = 0
      untold = 0
      const status = node.status()
      // A branch that wins later may settle the task in another block: the card is written anew.
      if (delivered && !brain.chain.isOnBestChain(delivered.settledIn)) {
        delivered = undefined
        delivery = undefined
      }
      if (status.result) deliver()
      say({ kind: 'status', status, peers: node.peers(), rssBytes: process.memoryUsage.rss() })
    }
    say({ kind: 'ready', pid: process.pid, peerId: node.peerId, addresses: node.addresses, height: node.status().height })
    ticker = setInterval(tick, STATUS_MS)

    const failed = node.done.then(
      () => undefined,
      (error) => error as Error,
    )
    const submitted = config.taskFile ? submit(config.taskFile) : undefined
    const first = await Promise.race([
      stopWish.promise.then(() => 'stop' as const),
      failed.then((error) => error ?? ('stop' as const)),
      // A client whose task cannot be read has nothing to do here; without a task this never settles.
      submitted?.then(
        () => new Promise<never>(() => {}),
        (error) => error as Error,
      ) ?? new Promise<never>(() => {}),
    ])
    clearInterval(ticker)
    if (first === 'stop') say({ kind: 'status', status: node.status(), peers: node.peers(), rssBytes: process.memoryUsage.rss() })
    setTimeout(() => process.exit(1), STOP_MS_MAX).unref()
    await delivery
    await node.stop()
    if (first !== 'stop') throw first
    return 0

    async function submit(file: string): Promise<void> {
      const document = await readTask(file)
      const data = await loadDataset(document, { ...(config.dataFiles && { dataDir: config.dataFiles }) })
      node.command({ kind: 'submit-task', document, data })
    }
  } catch (error) {
    clearInterval(ticker)
    const reason = error instanceof OperationError ? error.message : ((error as Error).stack ?? String(error))
    say({ kind: 'failed', error: reason })
    process.stderr.write(`the node stopped: ${reason}\n`)
    return 1
  }
}
