/** Transactions that wait for a block: valid on the tip in the order they stand; conflicts: first seen wins. Bounded. */
import { encodeTx, type Hex, OK, refuse, type Tx, txId, type Verdict } from '@pouw/primitives'
import { newTickets } from './block-rules.ts'
import type { Chain, Entry } from './chain.ts'
import { type Layer, layerOver, mergeInto } from './state.ts'
import { applyTransaction } from './transactions.ts'

export interface MempoolLimits {
  readonly countMax: number
  readonly bytesMax: number
}

const COUNT_MAX = 5_000
const BYTES_MAX = 32 * 1024 * 1024
const LIMITS: MempoolLimits = { countMax: COUNT_MAX, bytesMax: BYTES_MAX }

export interface Mempool {
  /** `drop`: not now (unknown input, conflict, window); `reject`: never valid. */
  add(tx: Tx): Verdict
  has(txid: Hex): boolean
  all(): Tx[]
  /** Transactions for a template on the tip, in an order in which they are valid. */
  select(bytesMax: number): Tx[]
  onTip(connected: readonly Entry[], disconnected: readonly Entry[]): void
  readonly size: number
}

export function createMempool(chain: Chain, { countMax, bytesMax: roomMax }: MempoolLimits = LIMITS): Mempool {
  let waiting = new Map<Hex, { readonly tx: Tx; readonly bytes: number }>()
  let bytes = 0
  let layer: Layer = layerOver(chain.state())

  const mempool: Mempool = {
    add(tx) {
      const id = txId(tx)
      if (waiting.has(id)) return OK
      const size = encodeTx(tx).length
      if (waiting.size >= countMax || bytes + size > roomMax) return refuse('mempool-full', 'drop')
      const trial = layerOver(layer)
      const applied = applyTransaction(trial, tx, { params: chain.params, height: chain.tip().height + 1, verified: chain.verified })
      if (!applied.ok) return applied
      if (applied.fee < chain.params.minTxFee && !spendsEscrow(tx)) return refuse('fee-too-small', 'drop')
      mergeInto(layer, trial)
      waiting.set(id, { tx, bytes: size })
      bytes += size
      return OK
    },
    has: (id) => waiting.has(id),
    all: () => [...waiting.values()].map((entry) => entry.tx),
    select(bytesMax) {
      const chosen: Tx[] = []
      let used = 0
      let tickets = 0
      for (const { tx, bytes: size } of waiting.values()) {
        // Stop at the first that does not fit: later ones may depend on it.
        tickets += newTickets(tx)
        if (used + size > bytesMax || tickets > chain.params.maxNewTicketsPerBlock) break
        used += size
        chosen.push(tx)
      }
      return chosen
    },
    onTip(_connected, disconnected) {
      const again = [...waiting.values()].map((entry) => entry.tx)
      for (const entry of disconnected) again.unshift(...(chain.block(entry.id)?.block.transactions.slice(1) ?? []))
      waiting = new Map()
      bytes = 0
      layer = layerOver(chain.state())
      for (const tx of again) mempool.add(tx)
    },
    get size() {
      return waiting.size
    },
  }
  return mempool
}

/** CHARGE_FOR_TASK pays no fee by rule; its witness is [certificate (98 bytes), attachment]. */
function spendsEscrow(tx: Tx): boolean {
  return tx.inputs[0]!.witness[0]?.length === 98
}
