/** Genesis: a state, written as transactions so that coins and tickets have ids like all others (A16). It is VERIFIED by definition. */
import { bitcoinMerkleRoot, bytesToHex, hexToBytes } from '@pouw/crypto'
import {
  encodeRecord,
  type Header,
  type Hex,
  headerId,
  type NetworkParams,
  paramsHash,
  payToKey,
  recordScript,
  stakeScript,
  type Tx,
  ticketIdOf,
  txId,
} from '@pouw/primitives'
import { type BaseState, outpointKey, type TicketRole } from './state.ts'

export interface GenesisIdentity {
  readonly walletPublic: Hex
  readonly ticketPublic: Hex
  readonly coins: bigint
  /** The coins lie in so many outputs, so that transactions need not wait for each other's change. */
  readonly outputs: number
  /** A ticket that is LIVE at height 0; roles without BLS keys only (miner, verifier). */
  readonly ticket?: { readonly role: number; readonly preferences: Hex; readonly families: number; readonly expiry: number }
}

export interface Genesis {
  readonly params: NetworkParams
  readonly identities: readonly GenesisIdentity[]
}

export interface GenesisBlock {
  readonly header: Header
  readonly transactions: readonly Tx[]
  readonly id: Hex
  /** First 4 bytes of the genesis id. */
  readonly networkId: Hex
}

const ZERO: Hex = '00'.repeat(32)

/** @throws RangeError if a ticket's role needs a BLS key */
export function genesisBlock({ params, identities }: Genesis): GenesisBlock {
  const coinbase: Tx = {
    version: 2,
    inputs: [{ txid: ZERO, index: 0xffffffff, scriptSig: hexToBytes(paramsHash(params)), sequence: 0xffffffff, witness: [] }],
    outputs: identities.flatMap(({ walletPublic, coins, outputs }) => {
      const each = coins / BigInt(outputs)
      return Array.from({ length: outputs }, (_, index) => ({
        amount: index === 0 ? coins - each * BigInt(outputs - 1) : each,
        script: payToKey(walletPublic),
      }))
    }),
    lockTime: 0,
  }
  const tickets = identities.flatMap((identity, index) =>
    identity.ticket ? [ticketTransaction(identity, identity.ticket, index, params)] : [],
  )
  const transactions = [coinbase, ...tickets]
  const header: Header = {
    version: 1,
    hashPrevBlock: ZERO,
    hashMerkleRoot: bytesToHex(bitcoinMerkleRoot(transactions.map((tx) => hexToBytes(txId(tx))))!),
    time: params.genesisTime,
    bits: params.genesisBits,
    nonce: ZERO,
    hashMsg: ZERO,
    hashMsgHist: ZERO,
  }
  const id = headerId(header)
  return { header, transactions, id, networkId: id.slice(0, 8) }
}

function ticketTransaction(
  identity: GenesisIdentity,
  ticket: NonNullable<GenesisIdentity['ticket']>,
  index: number,
  params: NetworkParams,
): Tx {
  if (ticket.role !== 1 && ticket.role !== 4)
    throw new RangeError(`genesis tickets are for miners (1) and verifiers (4), received role ${ticket.role}`)
  const record = encodeRecord({
    type: 'BUY_TICKETS',
    flags: 0,
    taskId: ZERO,
    role: ticket.role,
    count: 1,
    vrfKey: identity.ticketPublic,
    blsKey: '00'.repeat(48),
    preferences: ticket.preferences,
    families: ticket.families,
    price: params.ticketPriceMin,
    expiry: ticket.expiry,
  })
  return {
    version: 2,
    inputs: [{ txid: ZERO, index, scriptSig: new Uint8Array(0), sequence: 0xffffffff, witness: [] }],
    outputs: [
      { amount: params.ticketPriceMin, script: stakeScript(identity.walletPublic) },
      { amount: 0n, script: recordScript(record) },
    ],
    lockTime: 0,
  }
}

/** The state after genesis. */
export function genesisState(genesis: Genesis): BaseState {
  const state: BaseState = { coins: new Map(), tickets: new Map(), tasks: new Map() }
  const { transactions } = genesisBlock(genesis)
  const holders = genesis.identities.filter((identity) => identity.ticket)
  transactions.forEach((tx, place) => {
    const txid = txId(tx)
    tx.outputs.forEach((output, index) => {
      if (place === 0 || index === 0) state.coins.set(outpointKey(txid, index), { ...output, height: 0, coinbase: false })
    })
    if (place === 0) return
    const identity = holders[place - 1]!
    const ticket = identity.ticket!
    const id = ticketIdOf(txid, 0)
    state.tickets.set(id, {
      id,
      role: ticket.role as TicketRole,
      owner: identity.walletPublic,
      vrfKey: identity.ticketPublic,
      blsKey: '00'.repeat(48),
      preferences: ticket.preferences,
      families: ticket.families,
      price: genesis.params.ticketPriceMin,
      outpoint: { txid, index: 0 },
      boughtAt: 0,
      liveAt: 0,
      expiresAt: ticket.expiry,
      state: 'LIVE',
    })
  })
  return state
}
