import { bls, concatBytes, sha256, utf8 } from '@pouw/crypto'
import { outputsHash, parseScript } from '@pouw/primitives'
import { expect, test } from 'vitest'
import { historyRecord, ledgerAt, ownerOfTicket, plainPayment, recordOutput, spend, task } from '../test/ledger.ts'
import { certified, groupDigest, quorum } from './group-signature.ts'

test('a quorum is more than two thirds', () => {
  for (let n = 1; n <= 16; n++) {
    expect(3 * quorum(n), `${n}`).toBeGreaterThan(2 * n)
    expect(3 * (quorum(n) - 1), `${n}`).toBeLessThanOrEqual(2 * n)
  }
  expect([1, 2, 3, 4, 6, 7, 10, 13].map(quorum)).toEqual([1, 2, 3, 3, 5, 5, 7, 9])
})

test('a group signs record and outputs, not inputs', () => {
  const ledger = ledgerAt('keyed')
  const record = recordOutput(historyRecord(ledger))
  const tx = spend(ledger, 's1', [record])
  const { record: bytes } = parseScript(record.script) as { record: Uint8Array }
  expect(groupDigest(tx)).toEqual(sha256(concatBytes(utf8('POUW-MPTX-v1'), bytes, outputsHash(tx))))
  expect(groupDigest({ ...tx, inputs: [] })).toEqual(groupDigest(tx))
  expect(groupDigest({ ...tx, outputs: tx.outputs.slice(0, 1) })).not.toEqual(groupDigest(tx))
  expect(() => groupDigest(plainPayment(ledger, 's1', 'm1', 1n))).toThrow(RangeError)
})

test('the bits say whose keys are added up, by rank', () => {
  const ledger = ledgerAt('keyed')
  const members = task(ledger).supervisors.map((id) => ledger.view().ticket(id)!)
  const digest = sha256(utf8('digest'))
  const signatureOf = (...ranks: number[]) =>
    bls.aggregateSignatures(ranks.map((rank) => bls.sign(ownerOfTicket(ledger.view(), members[rank]!.id).blsSecret, digest)))!
  const holds = (signers: number, ...ranks: number[]) => certified(members, digest, { signers, signature: signatureOf(...ranks) })
  expect(holds(0b1011, 0, 1, 3)).toBe(true)
  expect(holds(0b0111, 0, 1, 3)).toBe(false)
  expect(holds(0b1111, 0, 1, 3)).toBe(false)
  expect(holds(0b1011, 0, 1, 1)).toBe(false)
  expect(holds(0b11011, 0, 1, 3)).toBe(false)
  expect(holds(0b0011, 0, 1)).toBe(false)
  expect(certified(members, sha256(digest), { signers: 0b1011, signature: signatureOf(0, 1, 3) })).toBe(false)
})
