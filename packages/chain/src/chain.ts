/**
 * The tree of VERIFIED blocks and the best chain through it: most accumulated work, equal work first seen (spec 10.7, A26).
 * Only the best chain's state is written; any other block's state is layers over it.
 */
import { equalBytes } from '@pouw/crypto'
import {
  asert,
  type Block,
  bitsToTarget,
  blockId,
  type CertifiedBlock,
  encodeBlock,
  type Header,
  type Hex,
  hashMeets,
  type NetworkParams,
  OK,
  refuse,
  targetToWork,
  type Verdict,
} from '@pouw/primitives'
import { applyBlock, type Parent } from './block-rules.ts'
import { type Genesis, genesisBlock, genesisState } from './genesis.ts'
import { type Changes, changesOf, type Layer, layerOver, type State, write } from './state.ts'
import { createVerifiedCache, type VerifiedCache } from './transactions.ts'
import { type View, viewOf } from './view.ts'

export interface Entry {
  readonly id: Hex
  readonly header: Header
  readonly height: number
  readonly chainWork: bigint
  readonly parent: Hex
}

export interface Chain {
  readonly params: NetworkParams
  readonly networkId: Hex
  readonly genesisId: Hex
  readonly verified: VerifiedCache
  tip(): Entry
  entry(id: Hex): Entry | undefined
  /** On the best chain. */
  at(height: number): Entry | undefined
  isOnBestChain(id: Hex): boolean
  /** The ledger after a VERIFIED block; default the tip. @throws RangeError for an unknown block */
  view(id?: Hex): View
  /** The tip's state, to build layers on. */
  state(): State
  block(id: Hex): CertifiedBlock | undefined
  nextBits(parentId: Hex): number
  medianTime(id: Hex): number
  /** Checks 1 and 2; `nowMs` undefined leaves out the clock (stored blocks). */
  checkHeader(block: Block, nowMs: number | undefined): Verdict
  /** Check 3 on the parent's state; the outcome is remembered for this very block. */
  checkBody(block: Block): Verdict
  /** Makes a block VERIFIED. The caller has checked certificate and work, or trusts the source. */
  connect(
    certified: CertifiedBlock,
    options?: { readonly trusted?: boolean },
  ): { readonly verdict: Verdict; readonly connected: readonly Entry[]; readonly disconnected: readonly Entry[] }
  locator(): Hex[]
  blocksAfter(locator: readonly Hex[], max: number): CertifiedBlock[]
}

interface Node {
  readonly entry: Entry
  readonly certified: CertifiedBlock | undefined
  /** What the block changed. */
  readonly changes: Changes
  /** What undoes it, while it is on the best chain. */
  undo: Changes | undefined
}

const BODIES_MAX = 64
const MEDIAN_SPAN = 11
const NO_CHANGES: Changes = { coins: new Map(), tickets: new Map(), tasks: new Map() }

/** Target of a kind of work: a client-task block may be F times easier, up to the limit (A15). */
export function workTarget(params: NetworkParams, bits: number, kind: 'filler' | 'task'): bigint {
  const target = bitsToTarget(bits)!
  if (kind === 'filler') return target
  const limit = bitsToTarget(params.limitBits)!
  const eased = target * BigInt(params.fillerFactor)
  return eased < limit ? eased : limit
}

export function createChain(genesis: Genesis): Chain {
  const { params } = genesis
  const origin = genesisBlock(genesis)
  const limit = bitsToTarget(params.limitBits)
  if (!limit || !bitsToTarget(params.genesisBits)) throw new RangeError('network parameters: genesisBits or limitBits are no target')
  const anchor = { height: 0, time: params.genesisTime, bits: params.genesisBits }
  const base = genesisState(genesis)
  const root: Node = {
    entry: { id: origin.id, header: origin.header, height: 0, chainWork: 0n, parent: '' },
    certified: undefined,
    changes: NO_CHANGES,
    undo: undefined,
  }
  const nodes = new Map<Hex, Node>([[origin.id, root]])
  const best: Hex[] = [origin.id]
  const bodies = new Map<Hex, { readonly block: Block; readonly layer: Layer }>()
  const verified = createVerifiedCache()

  const chain: Chain = {
    params,
    networkId: origin.networkId,
    genesisId: origin.id,
    verified,
    tip: () => nodes.get(best.at(-1)!)!.entry,
    entry: (id) => nodes.get(id)?.entry,
    at: (height) => (best[height] === undefined ? undefined : nodes.get(best[height])!.entry),
    isOnBestChain: (id) => best[nodes.get(id)?.entry.height ?? -1] === id,
    view(id = best.at(-1)!) {
      const node = nodes.get(id)
      if (!node) throw new RangeError(`no verified block ${id}`)
      return viewOf(stateAt(id), node.entry.height, id, params.coinbaseMaturity)
    },
    state: () => base,
    block: (id) => nodes.get(id)?.certified,
    nextBits(parentId) {
      const { height, header } = nodes.get(parentId)!.entry
      return asert(anchor, height, header.time, params.spacingS, params.halfLifeS, limit)
    },
    medianTime,
    checkHeader(block, nowMs) {
      const { header, work } = block
      const fail = (code: string, check: number, action: 'drop' | 'reject' = 'reject') => refuse(code, action, { check })
      const parent = nodes.get(header.hashPrevBlock)
      if (!parent) return fail('parent-unknown', 1, 'drop')
      if (header.version !== 1) return fail('header-version', 1)
      if (header.time <= medianTime(parent.entry.id)) return fail('time-too-old', 1)
      if (header.bits !== chain.nextBits(parent.entry.id)) return fail('bits', 1)
      if ((work.kind === 'filler') !== (header.hashMsgHist === '00'.repeat(32))) return fail('work-kind', 1)
      if (!hashMeets(blockId(block), workTarget(params, header.bits, work.kind))) return fail('target', 2)
      if (nowMs !== undefined && header.time > Math.floor(nowMs / 1000) + params.maxAheadS) return fail('time-ahead', 1, 'drop')
      return OK
    },
    checkBody(block) {
      const result = bodyOf(block)
      return 'layer' in result ? OK : result
    },
    connect(certified, { trusted = false } = {}) {
      const nothing = { connected: [], disconnected: [] }
      const { block } = certified
      const id = blockId(block)
      if (nodes.has(id)) return { verdict: OK, ...nothing }
      const header = chain.checkHeader(block, undefined)
      if (!header.ok && !(trusted && header.code !== 'parent-unknown')) return { verdict: header, ...nothing }
      const body = bodyOf(block)
      if (!('layer' in body)) return { verdict: body, ...nothing }
      bodies.delete(id)
      const parent = nodes.get(block.header.hashPrevBlock)!.entry
      const entry: Entry = {
        id,
        header: block.header,
        height: parent.height + 1,
        chainWork: parent.chainWork + targetToWork(bitsToTarget(block.header.bits)!),
        parent: parent.id,
      }
      nodes.set(id, { entry, certified, changes: changesOf(body.layer), undo: undefined })
      if (entry.chainWork <= chain.tip().chainWork) return { verdict: OK, ...nothing }
      return { verdict: OK, ...moveTo(id) }
    },
    locator() {
      const ids: Hex[] = []
      for (let height = best.length - 1, step = 1; height >= 0; height -= step) {
        ids.push(best[height]!)
        if (ids.length >= 10) step *= 2
      }
      if (ids.at(-1) !== origin.id) ids.push(origin.id)
      return ids
    },
    blocksAfter(locator, max) {
      const known = locator.find((id) => chain.isOnBestChain(id))
      const from = known === undefined ? 0 : nodes.get(known)!.entry.height
      return best.slice(from + 1, from + 1 + max).map((id) => nodes.get(id)!.certified!)
    },
  }
  return chain

  function medianTime(id: Hex): number {
    const times: number[] = []
    for (let node = nodes.get(id); node && times.length < MEDIAN_SPAN; node = nodes.get(node.entry.parent))
      times.push(node.entry.header.time)
    return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!
  }

  /** Blocks from `id` down to, not including, the first ancestor on the best chain. */
  function branch(id: Hex): { readonly side: Node[]; readonly fork: Entry } {
    const side: Node[] = []
    let node = nodes.get(id)!
    while (!chain.isOnBestChain(node.entry.id)) {
      side.unshift(node)
      node = nodes.get(node.entry.parent)!
    }
    return { side, fork: node.entry }
  }

  function stateAt(id: Hex): State {
    if (id === best.at(-1)) return base
    const { side, fork } = branch(id)
    const layer = layerOver(base)
    for (let height = best.length - 1; height > fork.height; height--) lay(layer, nodes.get(best[height]!)!.undo!)
    for (const node of side) lay(layer, node.changes)
    return layer
  }

  function bodyOf(block: Block): { readonly ok: true; readonly layer: Layer } | (Verdict & { readonly ok: false }) {
    const id = blockId(block)
    const known = bodies.get(id)
    const entry = nodes.get(block.header.hashPrevBlock)?.entry
    if (!entry) return refuse('parent-unknown', 'drop', { check: 1 })
    if (known && sameBody(known.block, block)) return { ok: true, layer: known.layer }
    const parent: Parent = { id: entry.id, height: entry.height, state: stateAt(entry.id) }
    const result = applyBlock(block, id, parent, params, verified)
    if (result.ok) {
      bodies.set(id, { block, layer: result.layer })
      if (bodies.size > BODIES_MAX) bodies.delete(bodies.keys().next().value!)
    }
    return result
  }

  /** Makes `id` the tip: down to the fork, up the new branch. */
  function moveTo(id: Hex): { readonly connected: Entry[]; readonly disconnected: Entry[] } {
    const { side, fork } = branch(id)
    const disconnected: Entry[] = []
    while (best.length - 1 > fork.height) {
      const node = nodes.get(best.pop()!)!
      write(base, node.undo!)
      node.undo = undefined
      disconnected.push(node.entry)
    }
    for (const node of side) {
      node.undo = write(base, node.changes)
      best.push(node.entry.id)
    }
    return { connected: side.map((node) => node.entry), disconnected }
  }
}

/** A header names its transactions only through rules that check 3 enforces: under an id already checked, another body is still unchecked. */
function sameBody(a: Block, b: Block): boolean {
  return a === b || equalBytes(encodeBlock(a), encodeBlock(b))
}

function lay(layer: Layer, changes: Changes): void {
  for (const kind of ['coins', 'tickets', 'tasks'] as const) {
    for (const [key, value] of changes[kind]) (layer[kind] as { set(key: string, value: unknown): void }).set(key, value)
  }
}
