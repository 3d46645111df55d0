import { bytesToHex, hexToBytes } from '@pouw/crypto'
import {
  type Block,
  blockId,
  type ChainRecord,
  decodeRecord,
  payToKey,
  type Tx,
  type TxOutput,
  txId,
  type Verdict,
  witnessCommitmentScript,
} from '@pouw/primitives'
import { describe, expect, test } from 'vitest'
import {
  buy,
  createLedger,
  damagedRecord,
  fillerWork,
  join,
  type Ledger,
  ledgerAt,
  type Name,
  person,
  plainPayment,
  recordOutput,
  spend,
  ticketRecord,
  withHeader,
  withTransactions,
  ZERO,
} from '../test/ledger.ts'
import { attestRecord, heightPush, newTickets, verifierPayees, witnessRoot } from './block-rules.ts'
import { subsidy, verifierFee } from './economics/rewards.ts'

const LEDGER = ledgerAt('tickets')
const { params } = LEDGER.chain
const HEIGHT = 3
const key = (name: Name) => payToKey(person(name).publicKey)

/** What check 3 says to a block whose coinbase was changed; the Merkle root and the commitment are made right again. */
function codeOf(edit: (coinbase: Tx, block: Block) => Tx, transactions: readonly Tx[] = [], ledger: Ledger = LEDGER): string {
  const block = ledger.draft(transactions)
  return said(ledger.chain.checkBody(withTransactions(block, [edit(block.transactions[0]!, block), ...block.transactions.slice(1)])))
}

function said(verdict: Verdict): string {
  if (verdict.ok) return 'ok'
  // In a block every refusal is final.
  expect(verdict).toMatchObject({ check: 3, action: 'reject' })
  return verdict.code
}

const output = (index: number, change: Partial<TxOutput>) => (coinbase: Tx) => ({
  ...coinbase,
  outputs: coinbase.outputs.map((given, at) => (at === index ? { ...given, ...change } : given)),
})
const input = (change: Partial<Tx['inputs'][number]>) => (coinbase: Tx) => ({
  ...coinbase,
  inputs: [{ ...coinbase.inputs[0]!, ...change }],
})

describe('a block', () => {
  const block = LEDGER.draft([plainPayment(LEDGER, 'm1', 'm2', 5n)])
  const check = (given: Block) => said(LEDGER.chain.checkBody(given))

  test('from the template passes', () => {
    expect(check(block)).toBe('ok')
    expect(block.transactions.length).toBe(2)
  })

  test('has transactions, fits the limit, and its root is theirs', () => {
    expect(check({ ...block, transactions: [] })).toBe('block-empty')
    expect(check(withHeader(block, { hashMerkleRoot: ZERO }))).toBe('merkle-root')
    expect(check({ ...block, transactions: block.transactions.slice(0, 1) })).toBe('merkle-root')
    expect(check({ ...block, transactions: block.transactions.toReversed() })).toBe('merkle-root')
    // The doubled last transaction has the same root in Bitcoin's tree (CVE-2012-2459).
    const three = LEDGER.draft([plainPayment(LEDGER, 'm1', 'm2', 5n), plainPayment(LEDGER, 'm3', 'm2', 5n)])
    expect(check({ ...three, transactions: [...three.transactions, three.transactions[2]!] })).toBe('merkle-root')
    const small = createLedger({ maxBlockBytes: 700 })
    const size = (transactions: readonly Tx[]) => said(small.chain.checkBody(small.draft(transactions)))
    expect(size([])).toBe('ok')
    expect(size([1, 2, 3].map((coin) => plainPayment(small, 'm1', 'm2', 5n, coin)))).toBe('block-size')
  })

  test('with a transaction that is not valid is not valid, and the code says why', () => {
    const twice = [plainPayment(LEDGER, 'm1', 'm2', 5n), plainPayment(LEDGER, 'm1', 'm3', 5n)]
    expect(check(withTransactions(block, [block.transactions[0]!, ...twice]))).toBe('input-missing')
    const early = ledgerAt('joined')
    const draft = early.draft()
    expect(said(early.chain.checkBody(withTransactions(draft, [draft.transactions[0]!, join(early, 'm1')])))).toBe('ticket-not-live')
  })

  test('spends in order: a coin made by an earlier transaction may be spent, one made by a later may not', () => {
    const first = plainPayment(LEDGER, 'm1', 'm2', 7_000n)
    const second: Tx = spend(LEDGER, 'm2', [], {
      edit: (tx) => ({ ...tx, inputs: [...tx.inputs, { ...tx.inputs[0]!, txid: txId(first), index: 0 }] }),
      signAs: [undefined, first.outputs[0]!],
    })
    expect(check(LEDGER.draft([first, second]))).toBe('ok')
    expect(() => LEDGER.draft([second, first])).toThrow(/input-missing/)
    expect(check(withTransactions(block, [block.transactions[0]!, second, first]))).toBe('input-missing')
  })

  test('sells no more tickets than the limit', () => {
    const ledger = createLedger({ maxNewTicketsPerBlock: 4 })
    const sold = (...counts: number[]) => {
      const buyers: Name[] = ['m1', 'm2', 'm3']
      return said(ledger.chain.checkBody(ledger.draft(counts.map((count, index) => buy(ledger, buyers[index]!, 1, count)))))
    }
    expect(sold(4)).toBe('ok')
    expect(sold(2, 2)).toBe('ok')
    expect(sold(5)).toBe('tickets-per-block')
    expect(sold(2, 2, 1)).toBe('tickets-per-block')
    expect(newTickets(buy(ledger, 'm1', 1, 3))).toBe(3)
    expect(newTickets(plainPayment(ledger, 'm1', 'm2', 1n))).toBe(0)
  })
})

describe('the coinbase', () => {
  const fees = 2_000n
  const most = subsidy(params, HEIGHT) - verifierFee(params, HEIGHT)
  const attest = (coinbase: Tx) => decodeRecord(coinbase.outputs[1]!.script.subarray(4)) as ChainRecord<'BLOCK_ATTEST'>
  const lie = (change: Partial<ChainRecord<'BLOCK_ATTEST'>>) => (coinbase: Tx) =>
    output(1, recordOutput({ ...attest(coinbase), ...change }))(coinbase)

  test('says what A18 asks for', () => {
    const coinbase = LEDGER.draft([plainPayment(LEDGER, 'm1', 'm2', 5n)]).transactions[0]!
    expect(coinbase.outputs.map(({ amount }) => amount)).toEqual([most + fees, 0n, 83_333_333n, 83_333_333n, 83_333_333n, 0n])
    const parent = LEDGER.chain.tip()
    const certificate = LEDGER.chain.block(parent.id)!.certificate
    expect(attest(coinbase)).toEqual(attestRecord(parent, certificate, params))
    expect(attest(coinbase)).toMatchObject({ blockId: parent.id, verdict: 1, count: 3, bitSet: 0b111, height: 2, feeTotal: 250_000_000n })
    for (const [index, digest] of certificate.entries())
      expect(coinbase.outputs[2 + index]!.script).toEqual(payToKey(LEDGER.view().ticket(digest.ticketId)!.owner))
  })

  test('of height 1 attests nothing and pays no verifier', () => {
    const ledger = createLedger()
    const coinbase = ledger.draft().transactions[0]!
    expect(coinbase.outputs.length).toBe(3)
    expect(attest(coinbase)).toMatchObject({ blockId: ledger.chain.genesisId, count: 0, bitSet: 0, height: 0, feeTotal: 0n })
    // SHA-256 of nothing: the root of the empty tree.
    expect(attest(coinbase).digestsRoot).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })

  const script = (change: (script: Uint8Array) => Uint8Array) => (coinbase: Tx) =>
    input({ scriptSig: change(coinbase.inputs[0]!.scriptSig) })(coinbase)
  const cases: readonly (readonly [string, string, (coinbase: Tx, block: Block) => Tx])[] = [
    ['nothing changed', 'ok', (same) => same],
    ['32 free bytes', 'ok', script((given) => Uint8Array.of(...given, ...new Uint8Array(32)))],
    ['a smaller reward', 'ok', output(0, { amount: 0n })],
    ['33 free bytes', 'coinbase-height', script((given) => Uint8Array.of(...given, ...new Uint8Array(33)))],
    ['another height', 'coinbase-height', script(() => heightPush(HEIGHT + 1))],
    ['no height', 'coinbase-height', script(() => new Uint8Array(0))],
    ['a spent output as input', 'coinbase-input', input({ txid: '01'.repeat(32) })],
    ['another index', 'coinbase-input', input({ index: 0 })],
    ['two inputs', 'coinbase-input', (coinbase) => ({ ...coinbase, inputs: [coinbase.inputs[0]!, { ...coinbase.inputs[0]!, index: 1 }] })],
    ['no input', 'coinbase-input', (coinbase) => ({ ...coinbase, inputs: [] })],
    ['a lock time', 'coinbase-input', (coinbase) => ({ ...coinbase, lockTime: 1 })],
    ['no witness', 'coinbase-witness', input({ witness: [] })],
    ['a witness that is not zero', 'coinbase-witness', input({ witness: [new Uint8Array(32).fill(1)] })],
    ['a short witness', 'coinbase-witness', input({ witness: [new Uint8Array(31)] })],
    ['one unit too much', 'coinbase-value', output(0, { amount: most + 1n })],
    ["the verifiers' part for the miner", 'coinbase-value', output(0, { amount: subsidy(params, HEIGHT) })],
    ['another payee', 'coinbase-payee', output(0, { script: key('m2') })],
    [
      'the reward into an escrow',
      'coinbase-payee',
      (coinbase) => output(0, { script: Uint8Array.of(0x52, ...coinbase.outputs[0]!.script.subarray(1)) })(coinbase),
    ],
    [
      'one output more',
      'coinbase-outputs',
      (coinbase) => ({ ...coinbase, outputs: [...coinbase.outputs, { amount: 0n, script: key('m1') }] }),
    ],
    [
      'a verifier left out',
      'coinbase-outputs',
      (coinbase) => ({ ...coinbase, outputs: coinbase.outputs.filter((_, index) => index !== 3) }),
    ],
    ['06 of another block', 'coinbase-attest', lie({ blockId: ZERO })],
    ['06 with another root', 'coinbase-attest', lie({ digestsRoot: ZERO })],
    ['06 with the other verdict', 'coinbase-attest', lie({ verdict: 0 })],
    ['06 with another count', 'coinbase-attest', lie({ count: 2 })],
    ['06 with other bits', 'coinbase-attest', lie({ bitSet: 0b1110 })],
    ['06 with another height', 'coinbase-attest', lie({ height: HEIGHT })],
    ['06 with another fee', 'coinbase-attest', lie({ feeTotal: 249_999_999n })],
    ['06 with a task', 'coinbase-attest', (coinbase) => output(1, damagedRecord(attest(coinbase), 8, 1))(coinbase)],
    ['06 with a flag', 'coinbase-attest', lie({ flags: 1 })],
    ['06 with a reserved byte', 'coinbase-attest', (coinbase) => output(1, damagedRecord(attest(coinbase), 120, 1))(coinbase)],
    ['06 with money', 'coinbase-attest', output(1, { amount: 1n })],
    ['another record in its place', 'coinbase-attest', output(1, recordOutput(ticketRecord('m1', 1)))],
    ['a verifier paid a unit less', 'coinbase-verifiers', output(2, { amount: 83_333_332n })],
    ['a verifier paid the remainder too', 'coinbase-verifiers', output(2, { amount: 83_333_334n })],
    ['a share for another', 'coinbase-verifiers', output(3, { script: key('m1') })],
    [
      'two verifiers swapped',
      'coinbase-verifiers',
      (coinbase) => ({ ...coinbase, outputs: [0, 1, 3, 2, 4, 5].map((index) => coinbase.outputs[index]!) }),
    ],
    ['a commitment to nothing', 'coinbase-commitment', output(5, { script: witnessCommitmentScript('01'.repeat(32)) })],
    ['a commitment with money', 'coinbase-commitment', output(5, { amount: 1n })],
    ['an output to itself instead of the commitment', 'coinbase-commitment', output(5, { script: key('m1') })],
  ]
  test.each(cases)('%s: %s', (_, code, edit) => {
    expect(codeOf(edit)).toBe(code)
  })

  test('may take the fees of its block, to the unit', () => {
    const payment = [plainPayment(LEDGER, 'm3', 'm2', 5n)]
    expect(codeOf(output(0, { amount: most + fees }), payment)).toBe('ok')
    expect(codeOf(output(0, { amount: most + fees + 1n }), payment)).toBe('coinbase-value')
  })

  test('commits to every witness', () => {
    const block = LEDGER.draft([plainPayment(LEDGER, 'm3', 'm2', 5n)])
    const [coinbase, payment] = block.transactions as [Tx, Tx]
    const [first] = payment.inputs
    // The same transaction id, another witness: only the commitment tells them apart.
    const { signAgain } = resigned(payment)
    expect(txId(signAgain)).toBe(txId(payment))
    expect(first!.witness).not.toEqual(signAgain.inputs[0]!.witness)
    expect(said(LEDGER.chain.checkBody({ ...block, transactions: [coinbase, signAgain] }))).toBe('coinbase-commitment')
    expect(witnessRoot([coinbase, payment])).not.toBe(witnessRoot([coinbase, signAgain]))
    expect(witnessRoot([coinbase])).toBe(ZERO)
  })

  test('pays the ticket that mined; one that nobody knows mines nothing', () => {
    const block = LEDGER.draft()
    expect(said(LEDGER.chain.checkBody({ ...block, work: fillerWork(ZERO) }))).toBe('coinbase-ticket')
    expect(said(LEDGER.chain.checkBody({ ...block, work: fillerWork(LEDGER.ticketOf('m2').id) }))).toBe('coinbase-payee')
    const malformed = { ...fillerWork(ZERO), kind: 'task', result: new Uint8Array(3) } as never
    expect(said(ledgerAt('tickets').chain.checkBody({ ...block, work: malformed }))).toBe('coinbase-ticket')
  })

  test('belongs to the certificate that the block carries', () => {
    const block = LEDGER.draft()
    const [first, second, third] = block.parentCertificate
    const check = (parentCertificate: Block['parentCertificate']) => said(LEDGER.chain.checkBody({ ...block, parentCertificate }))
    expect(check([first!, second!])).toBe('coinbase-outputs')
    expect(check([first!, third!, second!])).toBe('coinbase-attest')
    expect(check([first!, second!, { ...third!, gradientHash: '01'.repeat(32) }])).toBe('coinbase-attest')
    expect(check([first!, second!, { ...third!, ticketId: ZERO }])).toBe('coinbase-certificate')
  })

  /** Another valid signature of the same owner. */
  function resigned(tx: Tx): { readonly signAgain: Tx } {
    const signAgain = spend(LEDGER, 'm3', [tx.outputs[0]!], { aux: new Uint8Array(32).fill(7) })
    return { signAgain }
  }
})

test('the outcome of check 3 is kept for the very same block, not for another body under its header', () => {
  const ledger = ledgerAt('tickets')
  const block = ledger.draft([plainPayment(ledger, 'm1', 'm2', 5n)])
  expect(ledger.chain.checkBody(block)).toEqual({ ok: true })
  const emptied = { ...block, transactions: block.transactions.slice(0, 1) }
  expect(blockId(emptied)).toBe(blockId(block))
  expect(ledger.chain.checkBody(emptied)).toMatchObject({ code: 'merkle-root' })
  expect(ledger.chain.connect({ block: emptied, certificate: [] }).verdict).toMatchObject({ code: 'merkle-root' })
  expect(ledger.chain.checkBody({ ...block, work: fillerWork(ledger.ticketOf('m2').id) })).toMatchObject({ code: 'coinbase-payee' })
  expect(ledger.chain.checkBody({ ...block, transactions: [...block.transactions] })).toEqual({ ok: true })
  expect(ledger.chain.connect({ block, certificate: [] }).verdict).toEqual({ ok: true })
})

test('a verifier gets its Q-th of the fee, however many there are', () => {
  const certificate = LEDGER.chain.block(LEDGER.chain.tip().id)!.certificate
  const shares = (count: number) =>
    verifierPayees(LEDGER.chain.state(), certificate.slice(0, count), 100n, params)?.map(({ amount }) => amount)
  expect([0, 1, 2, 3].map(shares)).toEqual([[], [33n], [33n, 33n], [33n, 33n, 33n]])
  expect(verifierPayees(LEDGER.chain.state(), [{ ...certificate[0]!, ticketId: ZERO }], 100n, params)).toBeUndefined()
})

test('the height is a minimal push, as BIP34 has it', () => {
  const pushes = {
    0: '00',
    1: '51',
    16: '60',
    17: '0111',
    127: '017f',
    128: '028000',
    255: '02ff00',
    256: '020001',
    32767: '02ff7f',
    32768: '03008000',
    8388608: '0400008000',
  }
  for (const [height, bytes] of Object.entries(pushes)) expect(bytesToHex(heightPush(Number(height))), height).toBe(bytes)
  expect(hexToBytes('51')).toEqual(heightPush(1))
})
