import { isHit, selectionAlpha, selectionKey, settle, similarity } from '@pouw/chain'
import { ecvrfProofToHash, ecvrfProve } from '@pouw/crypto'
import type { ChainRecord, Hex } from '@pouw/primitives'
import { type Input, type Json, MalformedCase } from './input.ts'
import { expectedField, REFUSED, type Suite } from './suite.ts'

export const select: Suite = (input, expected) => {
  const role = input.integer('role', 4)
  const seedBlockId = input.hex('seedBlockId', 32)
  const taskId = input.hex('taskId', 32)
  const record = readTaskRecord(input.object('record01'))
  const hits: { id: Hex; key: bigint }[] = []
  for (const ticket of input.list('tickets')) {
    const id = ticket.hex('id', 32)
    const s = similarity(ticket.hex('preferences', 16), ticket.integer('families', 0xffff_ffff), record)
    const proof = ecvrfProve('ELL2', ticket.bytes('seckey', 32), selectionAlpha(role, seedBlockId, taskId, id))
    const beta = ecvrfProofToHash(proof)!
    if (isHit(beta, s)) hits.push({ id, key: selectionKey(beta, s) })
  }
  hits.sort((a, b) => (a.key !== b.key ? (a.key < b.key ? -1 : 1) : a.id < b.id ? -1 : 1))
  const wanted = expectedField(expected, 'hits')
  return {
    hits: hits.map(({ id, key }, i) => ({ id, key: spellKey(key, Array.isArray(wanted) ? expectedField(wanted[i], 'key') : undefined) })),
  }
}

/** Keys have 240 bits or more: decimal like all large integers, or 64 hex digits like a target, as the case has it. */
function spellKey(key: bigint, expected: Json | undefined): string {
  const hex = key.toString(16).padStart(64, '0')
  return expected === hex ? hex : key.toString()
}

/** Only what the selection looks at (A24); other fields of record 01 may be there. */
function readTaskRecord(input: Input): ChainRecord<'PAY_FOR_TASK'> {
  const record = {
    modelSize: input.integer('modelSize', 0xffff_ffff),
    batchBytes: input.integer('batchBytes', 0xffff_ffff),
    epochs: input.integer('epochs', 0xffff),
    fee: input.u64('fee'),
    deadline: input.integer('deadline', 0xffff_ffff),
    minersWanted: input.integer('minersWanted', 0xffff),
    minStake: input.u64('minStake'),
    family: input.integer('family', 0xffff),
  }
  return record as unknown as ChainRecord<'PAY_FOR_TASK'>
}

export const payout: Suite = (input) => {
  const quotas = input.object('quotas')
  const share = (role: string) => quotas.integer(role, 10_000)
  const { payouts, client } = settle({
    fee: input.u64('fee'),
    bond: input.u64('bond'),
    confiscated: input.u64('confiscated'),
    quotas: { miners: share('miners'), supervisors: share('supervisors'), evaluators: share('evaluators') },
    slots: input.integer('slots', 0xffff_ffff),
    miners: input.list('miners').map((miner) => ({
      ticket: miner.hex('ticket', 32),
      rank: miner.integer('rank', 0xffff),
      recorded: miner.integer('recorded', 0xffff_ffff),
    })),
    supervisors: input
      .list('supervisors')
      .map((supervisor) => ({ ticket: supervisor.hex('ticket', 32), signed: supervisor.integer('signed', 0xffff_ffff) })),
    evaluators: input.list('evaluators').map((evaluator) => ({ ticket: evaluator.hex('ticket', 32), paid: readFlag(evaluator, 'paid') })),
  })
  // More than the pot was asked for: quotas above 10,000, or more slots signed than there were.
  if (client < 0n) return REFUSED
  return { payouts: payouts.map(({ ticket, amount }) => ({ ticket, amount: amount.toString() })), client: client.toString() }
}

function readFlag(input: Input, key: string): boolean {
  const value = input.raw(key)
  if (typeof value !== 'boolean') throw new MalformedCase(`${key}: expected true or false`)
  return value
}
