/**
 * What must hold in every run, looked at after every step: money, forks, penalties, payments, settlements, signatures.
 *
 * A checker answers with a sentence when something broke, else with nothing. It reads chains and effects from outside and shares no code
 * with the rules that it watches.
 */
import { type Chain, type Genesis, genesisBlock, type TaskState } from '@pouw/chain'
import { bytesToHex, u32le } from '@pouw/crypto'
import {
  decodeIterationResult,
  decodeMessage,
  decodeRecord,
  type Hex,
  MESSAGE_TYPES,
  type Message,
  messageId,
  type NetworkParams,
  parseScript,
  slotHeaderHash,
  type Tx,
  txId,
} from '@pouw/primitives'
import type { Effect } from '@pouw/protocol'

/** What a checker sees of a node. */
export interface CheckedNode {
  readonly name: string
  readonly isUp: boolean
  readonly brain: { readonly chain: CheckedChain }
}

export type CheckedChain = Pick<Chain, 'tip' | 'entry' | 'at' | 'isOnBestChain' | 'block' | 'view'>

export interface Checker {
  readonly name: string
  /** After the node's best chain changed; `previous` is its tip before, undefined at first. */
  onTip?(node: CheckedNode, nodes: readonly CheckedNode[], previous: Hex | undefined): string | undefined
  /** After each step. */
  onEffects?(node: CheckedNode, effects: readonly Effect[]): string | undefined
}

export interface CheckOutcome {
  readonly name: string
  /** How often the checker had something to look at. */
  readonly looks: number
  readonly held: boolean
  /** What broke. */
  readonly broke: string | null
}

export interface Checkers {
  /** Undefined if everything holds. */
  look(
    node: CheckedNode,
    nodes: readonly CheckedNode[],
    effects: readonly Effect[],
  ): { readonly check: string; readonly what: string } | undefined
  outcomes(): CheckOutcome[]
}

/** @param forkDepthMax blocks that an honest node may have beside the others' chain, or may give up for a better one */
export function createCheckers(genesis: Genesis, forkDepthMax: number): Checkers {
  return runCheckers([
    moneyChecker(genesis),
    forkChecker(forkDepthMax),
    penaltyChecker(),
    paymentChecker(),
    settlementChecker(),
    equivocationChecker(),
  ])
}

export function runCheckers(checkers: readonly Checker[]): Checkers {
  const tips = new Map<string, Hex>()
  const looks = new Map<Checker, number>()
  const broke = new Map<Checker, string>()
  return {
    look(node, nodes, effects) {
      const tip = node.brain.chain.tip().id
      const previous = tips.get(node.name)
      tips.set(node.name, tip)
      for (const checker of checkers) {
        const looking = (checker.onTip && tip !== previous) || (checker.onEffects && effects.length > 0)
        if (!looking) continue
        looks.set(checker, (looks.get(checker) ?? 0) + 1)
        const what =
          (tip !== previous ? checker.onTip?.(node, nodes, previous) : undefined) ??
          (effects.length > 0 ? checker.onEffects?.(node, effects) : undefined)
        if (what === undefined) continue
        broke.set(checker, what)
        return { check: checker.name, what }
      }
      return undefined
    },
    outcomes: () =>
      checkers.map((checker) => ({
        name: checker.name,
        looks: looks.get(checker) ?? 0,
        held: !broke.has(checker),
        broke: broke.get(checker) ?? null,
      })),
  }
}

/**
 * Coins, stakes and escrows sum up to genesis + subsidies - burnt, to the unit, on each node's chain.
 *
 * Burnt is what a coinbase leaves unclaimed: the verifiers' shares are rounded down (A18). A block's verifier fee comes into being with
 * its child, so the tip's is still outstanding.
 */
export function moneyChecker(genesis: Genesis): Checker {
  const { params } = genesis
  const amounts = new Map<string, bigint>()
  const origin = genesisBlock(genesis)
  let initial = 0n
  for (const tx of origin.transactions) initial += remember(tx)
  /** By block id: money burnt up to and including it. */
  const burntAt = new Map<Hex, bigint>([[origin.id, 0n]])

  function remember(tx: Tx): bigint {
    const id = txId(tx)
    for (const [index, output] of tx.outputs.entries()) amounts.set(`${id}:${index}`, output.amount)
    return tx.outputs.reduce((sum, output) => sum + output.amount, 0n)
  }

  /** Up the chain from the last block that is known already. */
  function burntUpTo(chain: CheckedChain, id: Hex): bigint | string {
    const todo: Hex[] = []
    let at = id
    for (; !burntAt.has(at); at = chain.entry(at)!.parent) todo.unshift(at)
    let burnt = burntAt.get(at)!
    for (const next of todo) {
      const [coinbase, ...others] = chain.block(next)!.block.transactions
      const { height } = chain.entry(next)!
      let fees = 0n
      for (const tx of others) {
        for (const input of tx.inputs) {
          const amount = amounts.get(`${input.txid}:${input.index}`)
          if (amount === undefined) return `block ${height} spends an output that no block has made`
          fees += amount
        }
        fees -= remember(tx)
      }
      const due = subsidyOf(params, height) - verifierFeeOf(params, height) + verifierFeeOf(params, height - 1) + fees
      const left = due - remember(coinbase!)
      if (left < 0n) return `the coinbase of block ${height} makes ${-left} units too much`
      burnt += left
      burntAt.set(next, burnt)
    }
    return burnt
  }

  return {
    name: 'money is conserved',
    onTip({ name, brain: { chain } }) {
      const { id, height } = chain.tip()
      const burnt = burntUpTo(chain, id)
      if (typeof burnt === 'string') return `${name}: ${burnt}`
      let subsidies = 0n
      for (let h = 1; h <= height; h++) subsidies += subsidyOf(params, h)
      const expected = initial + subsidies - verifierFeeOf(params, height) - burnt
      let found = 0n
      for (const [, coin] of chain.view().coins()) found += coin.amount
      return found === expected ? undefined : `${name} at height ${height}: ${found} units, expected ${expected}`
    },
  }
}

function subsidyOf(params: NetworkParams, height: number): bigint {
  return params.subsidy / 2n ** BigInt(Math.floor(height / params.halvingInterval))
}

function verifierFeeOf(params: NetworkParams, height: number): bigint {
  return height === 0 ? 0n : (subsidyOf(params, height) * BigInt(params.verifierFeeBp)) / 10_000n
}

/** No node gives up more than `depthMax` blocks for a better chain, and no two nodes stand on branches longer than that. */
export function forkChecker(depthMax: number): Checker {
  return {
    name: `no fork deeper than ${depthMax}`,
    onTip({ name, brain: { chain } }, nodes, previous) {
      let given = 0
      for (let at = previous; at !== undefined; at = chain.entry(at)?.parent) {
        // A node that restarts knows only its best chain.
        if (!chain.entry(at) || chain.isOnBestChain(at)) break
        given++
      }
      if (given > depthMax) return `${name} gave up ${given} blocks at height ${chain.tip().height}`
      const { height } = chain.tip()
      for (const other of nodes) {
        if (!other.isUp || other.name === name) continue
        const theirs = other.brain.chain
        const lower = Math.min(height, theirs.tip().height)
        let common = lower
        while (common > 0 && chain.at(common)!.id !== theirs.at(common)!.id) common--
        if (lower - common > depthMax)
          return `${name} and ${other.name} differ in their last ${lower - common} blocks below height ${lower}`
      }
      return undefined
    },
  }
}

/** In a world where nobody lies, nobody finds fault with anybody. A crash is no lie. */
export function penaltyChecker(): Checker {
  return {
    name: 'no honest node is penalised',
    onEffects({ name }, effects) {
      for (const effect of effects) {
        if (effect.kind === 'penalise') return `${name} gives ${effect.peer} ${effect.points} points: ${effect.reason}`
      }
      return undefined
    },
  }
}

/** A client submits a document once, so it is paid for once, also by a client that restarts with its payment on the way. */
export function paymentChecker(): Checker {
  return {
    name: 'a task is paid for once',
    onTip({ name, brain: { chain } }) {
      const paid = new Set<string>()
      for (const { client, record } of chain.view().tasks()) {
        const key = `${client}:${record.documentHash}`
        if (paid.has(key)) return `${name}: client ${client} paid twice for document ${record.documentHash}`
        paid.add(key)
      }
      return undefined
    },
  }
}

/** A settled task's escrow is gone, and is what its payees and the client got, to the unit; nobody else is paid. */
export function settlementChecker(): Checker {
  const seen = new Set<string>()
  return {
    name: 'escrow = payouts + refund',
    onTip({ name, brain: { chain } }) {
      const view = chain.view()
      for (const task of view.tasks()) {
        const key = `${name}:${task.settlement}`
        if (task.state !== 'SETTLED' || seen.has(key)) continue
        const transactionsAt = (height: number) => chain.block(chain.at(height)!.id)!.block.transactions
        const escrow = transactionsAt(task.definedAt).find((tx) => txId(tx) === task.escrow.txid)
        const charge = transactionsAt(task.settledAt!).find((tx) => txId(tx) === task.settlement)
        if (!escrow || !charge) return `${name}: escrow or settlement of task ${task.id} is in no block`
        const owners = new Set<Hex>()
        const workers = [...task.miners, ...task.supervisors, ...task.evaluators]
        for (const ticket of workers) owners.add(view.ticket(ticket)!.owner)
        const what =
          settlementFault(task, escrow.outputs[task.escrow.index]!.amount, charge, owners) ??
          (view.coin(task.escrow.txid, task.escrow.index) ? 'the escrow is still there' : undefined)
        if (what !== undefined) return `${name}, task ${task.id}: ${what}`
        seen.add(key)
      }
      return undefined
    },
  }
}

/**
 * What is wrong with a settlement; undefined if nothing is.
 * @param escrowed units in the escrow output
 * @param owners keys of those who worked
 */
export function settlementFault(
  task: Pick<TaskState, 'escrow' | 'client'>,
  escrowed: bigint,
  charge: Tx,
  owners: ReadonlySet<Hex>,
): string | undefined {
  const [input] = charge.inputs
  if (charge.inputs.length !== 1 || input!.txid !== task.escrow.txid || input!.index !== task.escrow.index)
    return 'the settlement spends something else than the escrow'
  const [first, ...rest] = charge.outputs.map((output) => ({ amount: output.amount, script: parseScript(output.script) }))
  const record = first?.script.kind === 'record' ? decodeRecord(first.script.record) : undefined
  if (record?.type !== 'CHARGE_FOR_TASK') return 'the settlement has no record'
  const payees = rest.slice(0, record.payees)
  const refunds = rest.slice(record.payees)
  const paid = payees.reduce((sum, { amount }) => sum + amount, 0n)
  const refund = refunds.reduce((sum, { amount }) => sum + amount, 0n)
  if (paid !== record.totalPaid) return `payees get ${paid} units, the record says ${record.totalPaid}`
  if (paid + refund !== escrowed) return `payouts ${paid} + refund ${refund} are not the escrow of ${escrowed}`
  if (payees.some(({ script }) => script.kind !== 'key' || !owners.has(script.key))) return 'somebody is paid who did not work'
  if (refunds.some(({ script }) => script.kind !== 'key' || script.key !== task.client)) return 'the rest does not go to the client'
  return undefined
}

/**
 * No supervisor signs two headers of one slot, no miner signs two results of one iteration, restarts or not; and what they sign is durable
 * before it leaves (A22). Seen at the bytes they send and at what they persist before.
 */
export function equivocationChecker(): Checker {
  /** By ticket, task and slot: hash of the header that it signed or proposed. */
  const slots = new Map<string, Hex>()
  /** By ticket, task and sequence: the result's id. */
  const results = new Map<string, Hex>()
  /** By node and task: the newest slot and header that are durable as signed. */
  const signed = new Map<string, Hex>()
  /** Ids of durable results. */
  const kept = new Set<Hex>()
  let last: Uint8Array | undefined

  return {
    name: 'nobody signs twice',
    onEffects({ name }, effects) {
      for (const effect of effects) {
        if (effect.kind === 'persist' && effect.value) {
          if (effect.key.startsWith('signed/')) signed.set(`${name} ${effect.key.slice(7)}`, bytesToHex(effect.value))
          else if (effect.key.startsWith('result/')) kept.add(messageId(effect.value))
        }
        // One message goes to many: the same bytes need one look.
        if (effect.kind !== 'send' || effect.bytes === last) continue
        last = effect.bytes
        const what = lookAt(name, effect.bytes)
        if (what !== undefined) return `${name} ${what}`
      }
      return undefined
    },
  }

  function lookAt(name: string, bytes: Uint8Array): string | undefined {
    if (bytes[RESULT_TYPE_AT] === MESSAGE_TYPES.IT_RES) {
      const result = decodeIterationResult(bytes)
      if (result) return resultFault(`${result.ticketId} ${result.taskId} ${result.sequence}`, result.sequence, messageId(bytes))
    }
    const type = bytes[MESSAGE_TYPE_AT]
    if (type !== MESSAGE_TYPES.SLOT && type !== MESSAGE_TYPES.SLOT_SIG) return undefined
    const message = decodeMessage(bytes)
    if (message?.kind === 'SLOT') return slotFault(name, message, message.header.slot, slotHeaderHash(message.header))
    if (message?.kind === 'SLOT_SIG') return slotFault(name, message, message.slot, message.headerHash)
    return undefined
  }

  /** Whoever sends it: a supervisor may pass a miner's result on. */
  function resultFault(key: string, sequence: number, id: Hex): string | undefined {
    const before = results.get(key)
    results.set(key, id)
    if (before !== undefined && before !== id) return `sends a second result of iteration ${sequence} by one miner`
    return kept.has(id) ? undefined : `sends a result of iteration ${sequence} that is not durable`
  }

  function slotFault(name: string, { sender, taskId }: Message, slot: number, header: Hex): string | undefined {
    const key = `${sender} ${taskId} ${slot}`
    const before = slots.get(key)
    slots.set(key, header)
    if (before !== undefined && before !== header) return `signed slot ${slot} as ${before} and as ${header}`
    const durable = `${bytesToHex(u32le(slot))}${header}`
    return signed.get(`${name} ${taskId}`) === durable ? undefined : `signed slot ${slot}, which is not durable`
  }
}

/** Where the type byte stands: version (2), network id (4, not in a result), task (32). */
const RESULT_TYPE_AT = 34
const MESSAGE_TYPE_AT = 38
