import { bls, hexToBytes, sha256Hex } from '@pouw/crypto'
import {
  annexWith,
  type ChainRecord,
  decodeRecord,
  encodeReport,
  encodeSettlement,
  encodeTaskDocument,
  escrowScript,
  payToKey,
  type Report,
  recordOfDocument,
  stakeScript,
  type Tx,
  type TxOutput,
  witnessCommitmentScript,
} from '@pouw/primitives'
import { describe, expect, test } from 'vitest'
import {
  buy,
  charge,
  commit,
  commitRecord,
  createLedger,
  DOCUMENT,
  damagedRecord,
  FEE,
  groupCertificate,
  history,
  historyRecord,
  join,
  type Ledger,
  ledgerAt,
  type Name,
  ownerOfTicket,
  PRICE,
  participation,
  pay,
  person,
  recordOutput,
  report,
  reveal,
  SEGMENTS_ROOT,
  type SpendOptions,
  saltOf,
  signInputs,
  spend,
  task,
  ticketRecord,
  unsignedCharge,
  ZERO,
} from '../test/ledger.ts'
import { buildMessageHistory, buildPayment, finishCharge, withCertificate } from './build.ts'
import { layerOver } from './state.ts'
import { applyTransaction, createVerifiedCache } from './transactions.ts'

const TICKETS = ledgerAt('tickets')
const DEFINED = ledgerAt('defined')
const JOINED = ledgerAt('joined')
const KEYED = ledgerAt('keyed')
const TRAINING = ledgerAt('training')
const EVALUATING = ledgerAt('evaluating')
const DRAWN = ledgerAt('drawn')
const COMMITTED = ledgerAt('committed')

/** One case of a table: a name, the refusal's code, and the transaction on a ledger that earns it. */
type Case = readonly [name: string, code: string, ledger: Ledger, make: (ledger: Ledger) => Tx]

function refuses(cases: readonly Case[]): void {
  test.each(cases.map(([name, code, ...rest]) => ({ name, code, rest })))('$name: $code', ({ code, rest: [ledger, make] }) => {
    expect(ledger.code(make(ledger))).toBe(code)
  })
}

const key = (name: Name) => payToKey(person(name).publicKey)
const plain = (options: SpendOptions = {}, outputs: readonly TxOutput[] = [{ amount: 5n, script: key('m1') }]) =>
  spend(TICKETS, 'stranger', outputs, options)

describe('any transaction', () => {
  test('moves coins, and what it does not pay out is the fee', () => {
    const verdict = TICKETS.verdict(plain({ fee: 1_234n }))
    expect(verdict).toEqual({ ok: true, fee: 1_234n })
    expect(TICKETS.code(plain({ fee: 0n }))).toBe('ok')
  })

  const edited = (edit: (tx: Tx) => Tx) => () => plain({ edit })
  const input = (tx: Tx) => tx.inputs[0]!
  /** So many inputs and outputs, all of the same kind. */
  const many = (inputs: number, outputs: number): Tx => {
    const tx = plain()
    return {
      ...tx,
      inputs: Array.from({ length: inputs }, (_, index) => ({ ...input(tx), index: input(tx).index + index })),
      outputs: Array<TxOutput>(outputs).fill({ amount: 0n, script: key('m1') }),
    }
  }
  const record = recordOutput(ticketRecord('stranger', 1))
  const stake: TxOutput = { amount: PRICE, script: stakeScript(person('stranger').publicKey) }
  const damaged =
    (at: number, value: number, checksum = true) =>
    () =>
      spend(TICKETS, 'stranger', [stake, damagedRecord(ticketRecord('stranger', 1), at, value, checksum)])
  refuses([
    ['version 1', 'transaction-version', TICKETS, edited((tx) => ({ ...tx, version: 1 }))],
    ['a lock time', 'lock-time-not-supported', TICKETS, edited((tx) => ({ ...tx, lockTime: 1 }))],
    ['no input', 'transaction-size', TICKETS, edited((tx) => ({ ...tx, inputs: [] }))],
    ['257 inputs', 'transaction-size', TICKETS, () => many(257, 1)],
    ['2049 outputs', 'transaction-size', TICKETS, () => many(1, 2049)],
    ['an input twice', 'input-twice', TICKETS, edited((tx) => ({ ...tx, inputs: [input(tx), input(tx)] }))],
    [
      'a script in the input',
      'script-sig',
      TICKETS,
      edited((tx) => ({ ...tx, inputs: [{ ...input(tx), scriptSig: Uint8Array.of(0x51) }] })),
    ],
    [
      'an output above 2^62',
      'amount-out-of-range',
      TICKETS,
      edited((tx) => ({ ...tx, outputs: [{ amount: (1n << 62n) + 1n, script: key('m1') }] })),
    ],
    ['an unknown input', 'input-missing', TICKETS, edited((tx) => ({ ...tx, inputs: [{ ...input(tx), index: 999 }] }))],
    ['one unit too much', 'outputs-exceed-inputs', TICKETS, () => plain({ fee: -1n })],
    ['two records', 'records-two', TICKETS, () => plain({}, [record, record])],
    ['money in a record', 'record-amount', TICKETS, () => plain({}, [stake, { ...record, amount: 1n }])],
    ['02 before its stakes', 'record-place', TICKETS, () => plain({}, [record, stake])],
    ['01 in output 0', 'record-place', TICKETS, () => plain({}, [recordOutput(recordOfDocument(DOCUMENT, SEGMENTS_ROOT))])],
    [
      '03 in output 1',
      'record-place',
      DEFINED,
      (at) => spend(at, 'm1', [{ amount: 0n, script: key('m1') }, recordOutput(participation(at, 'm1'))]),
    ],
    ['another magic', 'record-magic', TICKETS, damaged(3, 0x32)],
    ['another layout', 'record-version', TICKETS, damaged(4, 2)],
    ['a flipped bit', 'record-checksum', TICKETS, damaged(140, 0xff, false)],
    ['an unknown type', 'record-type', TICKETS, damaged(5, 12)],
    ['a reserved byte', 'record-reserved', TICKETS, damaged(42, 1)],
    ['02 with a task', 'record-task-id', TICKETS, damaged(8, 1)],
    ['a stake without a record', 'output-script', TICKETS, () => plain({}, [stake])],
    ['a stake more than tickets', 'output-script', TICKETS, () => plain({}, [stake, record, stake])],
    [
      'an escrow without a record',
      'output-script',
      TICKETS,
      () => plain({}, [{ amount: 5n, script: escrowScript(person('stranger').publicKey) }]),
    ],
    ['a commitment', 'output-script', TICKETS, () => plain({}, [{ amount: 0n, script: witnessCommitmentScript(ZERO) }])],
    ['an unknown script', 'output-script', TICKETS, () => plain({}, [{ amount: 5n, script: Uint8Array.of(0x51) }])],
    ['no witness', 'witness-shape', TICKETS, () => ({ ...plain(), inputs: [{ ...input(plain()), witness: [] }] })],
    ['a short signature', 'witness-shape', TICKETS, () => ({ ...plain(), inputs: [{ ...input(plain()), witness: [new Uint8Array(63)] }] })],
    [
      'another item',
      'witness-shape',
      TICKETS,
      () => ({ ...plain(), inputs: [{ ...input(plain()), witness: [...input(plain()).witness, new Uint8Array(1)] }] }),
    ],
    ["another's signature", 'signature', TICKETS, () => signInputs(TICKETS, plain(), person('m1'))],
    [
      'an output changed after signing',
      'signature',
      TICKETS,
      () => ({ ...plain(), outputs: plain().outputs.map((output) => ({ ...output, script: key('m2') })) }),
    ],
    [
      'an attachment added after signing',
      'signature',
      TICKETS,
      () => ({ ...plain(), inputs: [{ ...input(plain()), witness: [input(plain()).witness[0]!, annexWith(new Uint8Array(3))] }] }),
    ],
  ])

  test('256 inputs and 2048 outputs are not too many', () => {
    // Those inputs do not exist, which is found out only after the sizes were right.
    expect(TICKETS.code(many(256, 2048))).toBe('input-missing')
  })

  test('only input 0 may have an attachment', () => {
    const [a, b] = [0, 1].map((coin) => plain({ coin }).inputs[0]!)
    const tx = signInputs(TICKETS, { ...plain(), inputs: [a!, b!] }, person('stranger'), { attachment: new Uint8Array(3) })
    expect(TICKETS.code(tx)).toBe('ok')
    const bare = signInputs(TICKETS, { ...plain(), inputs: [a!, b!] }, person('stranger'))
    const [first, second] = bare.inputs
    expect(TICKETS.code(bare)).toBe('ok')
    const misplaced = { ...bare, inputs: [first!, { ...second!, witness: [...second!.witness, annexWith(new Uint8Array(3))] }] }
    expect(TICKETS.code(misplaced)).toBe('witness-shape')
  })

  test("a block's reward waits for its maturity, in the wallet as in the rules", () => {
    const ledger = createLedger()
    const mined = ledger.mine([], { miner: 'm1' })
    const reward = ledger
      .view()
      .coinsOf(person('m1').publicKey)
      .find((coin) => coin.coinbase)!
    const claim = () =>
      signInputs(
        ledger,
        {
          version: 2,
          inputs: [{ txid: reward.txid, index: reward.index, scriptSig: new Uint8Array(0), sequence: 0, witness: [] }],
          outputs: [{ amount: reward.amount, script: key('m1') }],
          lockTime: 0,
        },
        person('m1'),
      )
    // Mined at 1, maturity 2: block 3 may spend it.
    const all = () =>
      ledger
        .view()
        .coinsOf(person('m1').publicKey)
        .reduce((sum, coin) => sum + coin.amount, 0n)
    expect(ledger.code(claim())).toBe('coinbase-immature')
    expect(() => buildPayment(ledger.view(), person('m1'), person('m2').publicKey, all() - FEE, FEE, new Set())).toThrow(RangeError)
    ledger.mine([], { miner: 'm2' })
    expect(ledger.code(claim())).toBe('ok')
    const everything = buildPayment(ledger.view(), person('m1'), person('m2').publicKey, all() - FEE, FEE, new Set())
    expect(everything.inputs.length).toBe(8)
    expect(ledger.code(everything)).toBe('ok')
    expect(mined.block.transactions.length).toBe(1)
  })

  refuses([
    [
      '06 outside a coinbase',
      'attest-outside-coinbase',
      TICKETS,
      () =>
        plain({}, [
          recordOutput({
            type: 'BLOCK_ATTEST',
            flags: 0,
            taskId: ZERO,
            blockId: ZERO,
            digestsRoot: ZERO,
            verdict: 1,
            count: 0,
            bitSet: 0,
            height: 0,
            feeTotal: 0n,
          }),
        ]),
    ],
    [
      '04',
      'record-not-supported',
      KEYED,
      (at) =>
        spend(at, 's1', [
          recordOutput({
            type: 'DKG_SUCCESSFUL',
            flags: 0,
            taskId: task(at).id,
            groupKey: '00'.repeat(48),
            n: 4,
            t: 3,
            qualified: 15,
            commitmentsRoot: ZERO,
            transcriptHash: ZERO,
          }),
        ]),
    ],
    [
      '08',
      'record-not-supported',
      TRAINING,
      (at) =>
        spend(at, 's1', [
          recordOutput({
            type: 'REPLACE',
            flags: 0,
            taskId: task(at).id,
            oldTicket: ZERO,
            newTicket: ZERO,
            reason: 1,
            role: 1,
            firstSlot: 1,
            evidenceRoot: ZERO,
          }),
        ]),
    ],
    [
      '09',
      'record-not-supported',
      TRAINING,
      (at) =>
        spend(at, 's1', [
          recordOutput({ type: 'CONFISCATE', flags: 0, taskId: task(at).id, ticketId: ZERO, evidenceRoot: ZERO, reason: 1, amount: 1n }),
        ]),
    ],
  ])
})

describe('01 PAY_FOR_TASK', () => {
  const RECORD = recordOfDocument(DOCUMENT, SEGMENTS_ROOT)
  const attachment = encodeTaskDocument(DOCUMENT)
  interface Lie {
    readonly record?: Partial<ChainRecord<'PAY_FOR_TASK'>>
    readonly escrow?: Partial<TxOutput>
    readonly attachment?: Uint8Array | null
  }
  const open = (lie: Lie = {}) => {
    const record = { ...RECORD, ...lie.record }
    const escrow = { amount: record.fee + (record.fee * 500n) / 10_000n, script: escrowScript(person('client').publicKey), ...lie.escrow }
    const given = lie.attachment === undefined ? attachment : lie.attachment
    return () => spend(TICKETS, 'client', [escrow, recordOutput(record)], given === null ? {} : { attachment: given })
  }
  const hashed = (bytes: Uint8Array): Lie => ({ attachment: bytes, record: { documentHash: sha256Hex(bytes) } })
  const total = 1_050_000_007n

  test('the honest one is accepted, made by hand or by the builder', () => {
    expect(TICKETS.code(open()())).toBe('ok')
    expect(TICKETS.code(pay(TICKETS))).toBe('ok')
  })

  refuses([
    ['the filler flag', 'record-flags', TICKETS, open({ record: { flags: 1 } })],
    ['one unit of escrow too little', 'escrow-amount', TICKETS, open({ escrow: { amount: total - 1n } })],
    ['one unit of escrow too much', 'escrow-amount', TICKETS, open({ escrow: { amount: total + 1n } })],
    ['the fee without the bond', 'escrow-amount', TICKETS, open({ escrow: { amount: RECORD.fee } })],
    ['the escrow paid to a key', 'escrow-amount', TICKETS, open({ escrow: { script: key('client') } })],
    ['the escrow as a stake', 'escrow-amount', TICKETS, open({ escrow: { script: stakeScript(person('client').publicKey) } })],
    ['no document', 'document-hash', TICKETS, open({ attachment: null })],
    ["another document's bytes", 'document-hash', TICKETS, open({ attachment: encodeTaskDocument({ ...DOCUMENT, name: 'other' }) })],
    ['bytes that are no document', 'document-malformed', TICKETS, open(hashed(Uint8Array.of(1, 2, 3)))],
    ['a byte behind the document', 'document-malformed', TICKETS, open(hashed(Uint8Array.of(...attachment, 0)))],
    [
      'NaN for tau',
      'record-field',
      TICKETS,
      () => spend(TICKETS, 'client', [{ amount: total, script: escrowScript(person('client').publicKey) }, tauOfNaN()], { attachment }),
    ],
    ['less work than one try', 'task-below-one-try', createLedger({ flopsPerTry: 1_201 }), pay],
    ['a fee of nothing', 'task-without-fee', TICKETS, (at) => pay(at, { ...DOCUMENT, payment: { ...DOCUMENT.payment, fee: 0n } })],
  ])

  function tauOfNaN(): TxOutput {
    // 1.5 is 3fc00000: with 7f in its highest byte it is no number.
    return damagedRecord({ ...RECORD, tau: 1.5 }, 131, 0x7f)
  }

  test('exactly one try of work is enough', () => {
    const ledger = createLedger({ flopsPerTry: 1_200 })
    expect(ledger.code(pay(ledger))).toBe('ok')
  })

  const changed = Object.entries(RECORD).filter(([name]) => !['type', 'flags', 'taskId', 'documentHash', 'segmentsRoot'].includes(name))
  refuses(
    changed.map(([name, value]): Case => {
      const record = { [name]: typeof value === 'bigint' ? value + 1n : (value as number) + 1 }
      return [`a record that says another ${name} than its document`, 'document-mismatch', TICKETS, open({ record })]
    }),
  )
})

describe('02 BUY_TICKETS', () => {
  interface Lie {
    readonly role?: number
    readonly record?: Partial<ChainRecord<'BUY_TICKETS'>>
    /** Changes the stakes. */
    readonly stakes?: (stakes: TxOutput[]) => TxOutput[]
    readonly possession?: Uint8Array | null
  }
  const order =
    ({ role = 1, record = {}, stakes = (same) => same, possession }: Lie = {}) =>
    () => {
      const told = { ...ticketRecord('stranger', role), ...record }
      const outputs = Array.from({ length: told.count }, () => ({ amount: told.price, script: stakeScript(person('stranger').publicKey) }))
      const proof = possession === undefined && (role === 2 || role === 3) ? bls.provePossession(person('stranger').blsSecret) : possession
      return spend(TICKETS, 'stranger', [...stakes(outputs), recordOutput(told)], proof ? { attachment: proof } : {})
    }
  const other = bls.provePossession(person('m1').blsSecret)
  const foreign = (stakes: TxOutput[]) => [stakes[0]!, { ...stakes[1]!, script: stakeScript(person('m1').publicKey) }]

  test.each([1, 2, 3, 4])('role %i is accepted, one ticket or twenty', (role) => {
    expect(TICKETS.code(order({ role })())).toBe('ok')
    expect(TICKETS.code(order({ role, record: { count: 20 } })())).toBe('ok')
    expect(TICKETS.code(buy(TICKETS, 'stranger', role, 2))).toBe('ok')
  })

  refuses([
    ['a flag', 'record-flags', TICKETS, order({ record: { flags: 2 } })],
    ['role 0', 'ticket-role', TICKETS, order({ record: { role: 0 } })],
    ['role 5', 'ticket-role', TICKETS, order({ record: { role: 5 } })],
    ['no ticket', 'ticket-count', TICKETS, order({ record: { count: 0 } })],
    ['21 tickets', 'ticket-count', TICKETS, order({ record: { count: 21 } })],
    ['a price below the least', 'ticket-price', TICKETS, order({ record: { price: PRICE - 1n } })],
    ['an expiry of no block', 'ticket-expiry', TICKETS, order({ record: { expiry: 0 } })],
    ['a supervisor without proof of possession', 'bls-possession', TICKETS, order({ role: 2, possession: null })],
    ["an evaluator with another's proof", 'bls-possession', TICKETS, order({ role: 3, possession: other })],
    [
      "another's key with its owner's proof for ours",
      'bls-possession',
      TICKETS,
      order({ role: 2, record: { blsKey: person('m1').blsPublic } }),
    ],
    ['a proof cut short', 'bls-possession', TICKETS, order({ role: 2, possession: other.subarray(0, 95) })],
    ['a key of zeros', 'bls-possession', TICKETS, order({ role: 2, record: { blsKey: '00'.repeat(48) } })],
    ['a miner with a BLS key', 'bls-key-without-use', TICKETS, order({ record: { blsKey: person('stranger').blsPublic } })],
    ['a verifier with an attachment', 'bls-key-without-use', TICKETS, order({ role: 4, possession: other })],
    ['a stake one unit short', 'stake-amount', TICKETS, order({ stakes: ([first]) => [{ ...first!, amount: PRICE - 1n }] })],
    ['a stake one unit over', 'stake-amount', TICKETS, order({ stakes: ([first]) => [{ ...first!, amount: PRICE + 1n }] })],
    [
      'the second stake paid to a key',
      'stake-amount',
      TICKETS,
      order({ record: { count: 2 }, stakes: ([first]) => [first!, { amount: PRICE, script: key('stranger') }] }),
    ],
    ['two owners', 'stake-owner', TICKETS, order({ record: { count: 2 }, stakes: foreign })],
    ['fewer stakes than tickets', 'record-place', TICKETS, order({ record: { count: 2 }, stakes: ([first]) => [first!] })],
  ])
})

describe('03 PARTICIPATE', () => {
  const lie =
    (name: Name, change: Partial<ChainRecord<'PARTICIPATE'>> = {}, payer: Name = name) =>
    (at: Ledger) =>
      spend(at, payer, [recordOutput({ ...participation(at, name), ...change })])
  const flipped = (proof: string, at: number) => `${proof.slice(0, at)}${proof[at] === '0' ? '1' : '0'}${proof.slice(at + 1)}`
  const proofOf = (name: Name) => participation(DEFINED, name).proof

  /** A ledger whose second block opens a task, after one block of purchases. */
  const own = createLedger()
  own.mine([buy(own, 'client', 1), buy(own, 's1', 2)])
  own.mine()
  own.mine([pay(own), buy(own, 's2', 2)])
  own.mine()
  const dear = ledgerAt('tickets')
  dear.mine([pay(dear, { ...DOCUMENT, workers: { ...DOCUMENT.workers, minStake: PRICE + 1n } })])
  const strange = ledgerAt('tickets')
  strange.mine([pay(strange, { ...DOCUMENT, workers: { ...DOCUMENT.workers, family: 5 } })])
  const late = ledgerAt('evaluating')
  late.mine([join(late, 'e1'), join(late, 'e2')])
  late.mine()
  const young = ledgerAt('tickets')
  young.mine([buy(young, 'stranger', 2)])
  young.mine([pay(young)])
  const free = KEYED.view()
    .tickets({ role: 1, state: 'LIVE' })
    .filter(({ task: of }) => of !== undefined)[0]!.id

  test('a hit joins, whoever else joined before', () => {
    for (const name of ['m1', 'm4', 's1', 's5'] as const) expect(DEFINED.code(join(DEFINED, name)), name).toBe('ok')
    for (const name of ['e1', 'e2', 'e3'] as const) expect(EVALUATING.code(join(EVALUATING, name)), name).toBe('ok')
    expect(own.code(join(own, 's1'))).toBe('ok')
    expect(young.code(join(young, 'stranger'))).toBe('ok')
  })

  refuses([
    ['an unknown task', 'task-or-ticket-unknown', DEFINED, lie('m1', { taskId: ZERO })],
    ['an unknown ticket', 'task-or-ticket-unknown', DEFINED, lie('m1', { ticketId: ZERO })],
    ['a flag', 'record-flags', DEFINED, lie('m1', { flags: 1 })],
    ['a candidate once more', 'ticket-not-live', JOINED, lie('m1')],
    ['an expired ticket', 'ticket-not-live', DEFINED, lie('brief')],
    ["a role that is not the ticket's", 'ticket-not-live', DEFINED, lie('m1', { role: 2 })],
    ["a payer that is not the ticket's owner", 'sender-not-owner', DEFINED, lie('m1', {}, 'm2')],
    ['the client itself', 'own-task', own, lie('client')],
    ['a stake below what the task asks', 'stake-too-small', dear, lie('m1')],
    ['a ticket that was in the task and was let go', 'participates-already', KEYED, lie(ownerOfTicket(KEYED.view(), free).name as Name)],
    ['a miner when the group is fixed', 'task-takes-nobody', KEYED, lie('poor')],
    ['an evaluator before evaluation', 'task-takes-nobody', DEFINED, lie('e1')],
    ['a miner during evaluation', 'task-takes-nobody', EVALUATING, lie('poor')],
    ['a verifier', 'task-takes-nobody', DEFINED, lie('v1')],
    ['an evaluator after the draw', 'participation-window', late, lie('e3')],
    ['a ticket bought with the task', 'ticket-younger-than-task', own, lie('s2')],
    ['a similarity one too high', 'similarity', DEFINED, lie('poor', { similarity: participation(DEFINED, 'poor').similarity + 1 })],
    ['a similarity one too low', 'similarity', DEFINED, lie('m1', { similarity: 65_534 })],
    ['a family that the ticket does not accept', 'similarity', strange, lie('m1')],
    ["another ticket's proof", 'vrf-proof', DEFINED, lie('m1', { proof: proofOf('m2') })],
    ['a proof for another task', 'vrf-proof', DEFINED, lie('m1', { proof: participation(strange, 'm1').proof })],
    ['a proof with another bit in Gamma', 'vrf-proof', DEFINED, lie('m1', { proof: flipped(proofOf('m1'), 3) })],
    ['a proof with another bit in s', 'vrf-proof', DEFINED, lie('m1', { proof: flipped(proofOf('m1'), 100) })],
    ['bad luck', 'no-hit', DEFINED, lie('poor')],
    [
      'an evaluator seeded by the task block',
      'vrf-proof',
      EVALUATING,
      (at) => spend(at, 'e1', [recordOutput(participation(at, 'e1', { ...task(at), evaluationBlock: task(at).blockId }))]),
    ],
  ])

  test('a ticket is LIVE for 03 one block after its maturity, and 03 not in the block of its task', () => {
    const ledger = createLedger()
    ledger.mine([buy(ledger, 's1', 2)])
    const opening = pay(ledger)
    const context = { params: ledger.chain.params, height: 2, verified: createVerifiedCache() }
    const layer = layerOver(ledger.chain.state())
    expect(applyTransaction(layer, opening, context).ok).toBe(true)
    const made = [...layer.tasks.changes.values()][0]!
    const joining = (name: Name) => spend(ledger, name, [recordOutput(participation(ledger, name, made))])
    expect(applyTransaction(layer, joining('s1'), context)).toMatchObject({ code: 'ticket-not-live', action: 'drop' })
    expect(applyTransaction(layer, joining('m1'), context)).toMatchObject({ code: 'participation-window', action: 'drop' })
  })
})

describe('05 MESSAGE_HISTORY', () => {
  const lie = (change: Partial<ChainRecord<'MESSAGE_HISTORY'>>) => (at: Ledger) => history(at, change)
  const by =
    (...ranks: number[]) =>
    (at: Ledger) =>
      history(at, {}, ranks)
  /** Signed by others than the group. */
  const foreign = (at: Ledger) => {
    const tx = buildMessageHistory(at.view(), person('s1'), historyRecord(at), FEE, new Set())
    const { supervisors, backups } = task(at)
    const members = [supervisors[0]!, supervisors[1]!, backups.supervisors[0]!]
    return withCertificate(at.view(), person('s1'), tx, groupCertificate(at, members, tx, [0, 1, 2]))
  }
  /** Signed over one record, sent with another. */
  const swapped = (at: Ledger) => {
    const signed = buildMessageHistory(at.view(), person('s1'), historyRecord(at), FEE, new Set())
    const sent = buildMessageHistory(at.view(), person('s1'), historyRecord(at, { logHash: ZERO }), FEE, new Set())
    return withCertificate(at.view(), person('s1'), sent, groupCertificate(at, task(at).supervisors, signed, [0, 1, 2]))
  }
  /** The group signed it for one payer; another pays, so the change goes elsewhere. */
  const otherOutputs = (at: Ledger) => {
    const signed = buildMessageHistory(at.view(), person('s1'), historyRecord(at), FEE, new Set())
    const sent = buildMessageHistory(at.view(), person('s2'), historyRecord(at), FEE, new Set())
    return withCertificate(at.view(), person('s2'), sent, groupCertificate(at, task(at).supervisors, signed, [0, 1, 2]))
  }
  const surplus = (at: Ledger) => {
    const tx = buildMessageHistory(at.view(), person('s1'), historyRecord(at), FEE, new Set())
    const { signers, signature } = groupCertificate(at, task(at).supervisors, tx, [0, 1, 2])
    return withCertificate(at.view(), person('s1'), tx, { signers: signers | 0b10000, signature })
  }

  test('any quorum of the group may sign', () => {
    for (const ranks of [
      [0, 1, 2],
      [1, 2, 3],
      [0, 1, 2, 3],
    ])
      expect(KEYED.code(history(KEYED, {}, ranks)), `${ranks}`).toBe('ok')
    expect(TRAINING.code(history(TRAINING, { flags: 2 }))).toBe('ok')
    expect(KEYED.code(history(KEYED, { flags: 2 }))).toBe('ok')
  })

  refuses([
    ['an unknown task', 'task-unknown', KEYED, lie({ taskId: ZERO })],
    ['the filler flag', 'record-flags', KEYED, lie({ flags: 1 })],
    ['an unknown flag', 'record-flags', KEYED, lie({ flags: 6 })],
    ['before the group is fixed', 'task-state', JOINED, (at) => spend(at, 's1', [recordOutput(historyRecord(at))])],
    [
      'after training',
      'task-state',
      EVALUATING,
      (at) => spend(at, 's1', [recordOutput({ ...historyRecord(TRAINING), firstSlot: 20, lastSlot: 29 })]),
    ],
    ['a gap of one slot', 'history-slots', TRAINING, lie({ firstSlot: 11 })],
    ['a slot twice', 'history-slots', TRAINING, lie({ firstSlot: 9 })],
    ['an end before the beginning', 'history-slots', TRAINING, lie({ lastSlot: 9 })],
    ['another previous root', 'history-previous-root', TRAINING, lie({ previousRoot: ZERO })],
    ['a root where there was none', 'history-previous-root', KEYED, lie({ previousRoot: '01'.repeat(32) })],
    ['a signer beyond the group', 'history-signers', KEYED, lie({ signers: 0b10111 })],
    ['no certificate', 'certificate-malformed', KEYED, (at) => spend(at, 's1', [recordOutput(historyRecord(at))])],
    [
      'a certificate of 97 bytes',
      'certificate-malformed',
      KEYED,
      (at) => spend(at, 's1', [recordOutput(historyRecord(at))], { attachment: new Uint8Array(97) }),
    ],
    ['two of four signers', 'certificate', KEYED, by(0, 1)],
    ['a bit beyond the group', 'certificate', KEYED, surplus],
    ['a backup among the signers', 'certificate', KEYED, foreign],
    ['a certificate over another record', 'certificate', KEYED, swapped],
    ['a certificate over other outputs', 'certificate', KEYED, otherOutputs],
  ])

  test('one slot is enough', () => {
    expect(TRAINING.code(history(TRAINING, { lastSlot: 10 }))).toBe('ok')
  })

  test('what one group signed is not remembered as signed by another', () => {
    const tx = history(KEYED)
    const context = { params: KEYED.chain.params, height: 6, verified: createVerifiedCache() }
    expect(applyTransaction(layerOver(KEYED.chain.state()), tx, context).ok).toBe(true)
    const layer = layerOver(KEYED.chain.state())
    const of = task(KEYED)
    // As on a branch where the draw fell differently.
    layer.tasks.set(of.id, { ...of, supervisors: [...of.supervisors.slice(1), ...of.backups.supervisors] })
    expect(applyTransaction(layer, tx, context)).toMatchObject({ code: 'certificate' })
  })
})

describe('0A TEST_REVEAL', () => {
  const record = (at: Ledger): ChainRecord<'TEST_REVEAL'> => ({
    type: 'TEST_REVEAL',
    flags: 0,
    taskId: task(at).id,
    testRoot: ZERO,
    keyHash: ZERO,
    bitSet: 7,
  })
  const lie =
    (change: Partial<ChainRecord<'TEST_REVEAL'>>, payer: Name = 'client') =>
    (at: Ledger) =>
      spend(at, payer, [recordOutput({ ...record(at), ...change })])

  test('the client reveals once, as soon as training is over', () => {
    expect(EVALUATING.code(reveal(EVALUATING))).toBe('ok')
    expect(DRAWN.code(reveal(DRAWN))).toBe('ok')
  })

  refuses([
    ['an unknown task', 'task-state', DRAWN, lie({ taskId: ZERO })],
    ['during training', 'task-state', TRAINING, lie({})],
    ['a flag', 'record-flags', DRAWN, lie({ flags: 1 })],
    ['somebody else', 'sender-not-client', DRAWN, lie({}, 'm1')],
    ['twice', 'test-revealed-already', COMMITTED, lie({})],
  ])
})

describe('0B EVAL_COMMIT', () => {
  const [first] = task(DRAWN).evaluators as [string]
  const [backup] = task(DRAWN).evaluatorBackups as [string]
  const owner = ownerOfTicket(DRAWN.view(), first).name as Name
  const lie =
    (change: Partial<ChainRecord<'EVAL_COMMIT'>>, payer: Name = owner) =>
    (at: Ledger) =>
      spend(at, payer, [recordOutput({ ...commitRecord(at, first), ...change })])

  test('each drawn evaluator commits once', () => {
    for (const id of task(DRAWN).evaluators) expect(DRAWN.code(commit(DRAWN, id))).toBe('ok')
  })

  refuses([
    ['an unknown task', 'task-state', DRAWN, lie({ taskId: ZERO })],
    ['before the draw', 'task-state', EVALUATING, lie({})],
    ['a backup', 'task-state', DRAWN, lie({ ticketId: backup }, ownerOfTicket(DRAWN.view(), backup).name as Name)],
    ['a miner', 'task-state', DRAWN, lie({ ticketId: task(DRAWN).miners[0]! })],
    ['a flag', 'record-flags', DRAWN, lie({ flags: 1 })],
    ['somebody else', 'sender-not-owner', DRAWN, lie({}, 'm1')],
    ['twice', 'committed-already', COMMITTED, lie({ commitment: ZERO })],
  ])
})

describe('07 CHARGE_FOR_TASK', () => {
  const AT = COMMITTED
  const HONEST = unsignedCharge(AT)
  const REPORT = report(AT)
  const RECORD_AT = 4

  /** The evaluators sign whatever is given: no signature helps a wrong payment. */
  const signed = (tx: Tx) => () => charge(AT, tx)
  const outputs = (change: (given: TxOutput[]) => TxOutput[]) =>
    signed({ ...HONEST, outputs: [HONEST.outputs[0]!, ...change(HONEST.outputs.slice(1))] })
  const moved = (from: number, to: number, amount = 1n) =>
    outputs((given) =>
      given.map((output, index) => ({ ...output, amount: output.amount + (index === to ? amount : 0n) - (index === from ? amount : 0n) })),
    )
  const reported = (change: Partial<Report>) => () => charge(AT, unsignedCharge(AT, { ...REPORT, ...change }))
  const ranks = (...given: number[]) => reported({ miners: REPORT.miners.map((miner, index) => ({ ...miner, rank: given[index]! })) })
  /** The honest transaction with another attachment. */
  const attached = (attachment: Uint8Array) =>
    signed({ ...HONEST, inputs: [{ ...HONEST.inputs[0]!, witness: [HONEST.inputs[0]!.witness[0]!, annexWith(attachment)] }] })
  const salts = REPORT.evaluators.map((id) => hexToBytes(saltOf(id)))
  const settlementBytes = encodeSettlement(REPORT, salts)
  const foreignCoin = AT.view().coinsOf(person('stranger').publicKey)[0]!
  const foreignInput = {
    txid: foreignCoin.txid,
    index: foreignCoin.index,
    scriptSig: new Uint8Array(0),
    sequence: 0xffffffff,
    witness: [new Uint8Array(64)],
  }

  test('the payment that follows from the report is accepted, and only with a quorum of all drawn evaluators', () => {
    expect(AT.verdict(charge(AT))).toEqual({ ok: true, fee: 0n })
    expect(HONEST.outputs.length).toBe(1 + 2 + 4 + 2 + 1)
    expect(AT.code(charge(AT, HONEST, [0]))).toBe('certificate')
    expect(AT.code(charge(AT, HONEST, [1]))).toBe('certificate')
    expect(AT.code(finishCharge(HONEST, groupCertificate(AT, task(AT).evaluatorBackups.concat(task(AT).evaluators), HONEST, [0, 1])))).toBe(
      'certificate',
    )
    expect(
      AT.code(finishCharge(HONEST, groupCertificate(AT, task(AT).evaluators, { ...HONEST, outputs: HONEST.outputs.slice(0, 3) }, [0, 1]))),
    ).toBe('certificate')
    expect(AT.code(HONEST)).toBe('certificate')
  })

  const last = HONEST.outputs.length - 2
  refuses([
    ['before the draw', 'task-state', EVALUATING, () => charge(AT)],
    ['after the settlement', 'input-missing', ledgerAt('settled'), () => charge(AT)],
    ['a unit from the first miner to the second', 'charge-payouts', AT, moved(0, 1)],
    ['a unit from the client to a miner', 'charge-payouts', AT, moved(last, 0)],
    ['a unit from an evaluator to the client', 'charge-payouts', AT, moved(last - 1, last)],
    [
      'a unit kept as a fee',
      'charge-fee',
      AT,
      outputs((given) => given.map((output, index) => (index === 0 ? { ...output, amount: output.amount - 1n } : output))),
    ],
    [
      'a unit from nowhere',
      'outputs-exceed-inputs',
      AT,
      outputs((given) => given.map((output, index) => (index === 0 ? { ...output, amount: output.amount + 1n } : output))),
    ],
    ['two payees swapped', 'charge-payouts', AT, outputs(([a, b, ...rest]) => [b!, a!, ...rest])],
    ['an amount to another owner', 'charge-payouts', AT, outputs(([a, ...rest]) => [{ ...a!, script: key('stranger') }, ...rest])],
    [
      "the client's rest to another",
      'charge-payouts',
      AT,
      outputs((given) => [...given.slice(0, -1), { ...given.at(-1)!, script: key('stranger') }]),
    ],
    [
      'no output for the client, its money to a miner',
      'charge-payouts',
      AT,
      outputs(([a, ...rest]) => [{ ...a!, amount: a!.amount + rest.at(-1)!.amount }, ...rest.slice(0, -1)]),
    ],
    ['one output more, of nothing', 'charge-payouts', AT, outputs((given) => [...given, { amount: 0n, script: key('client') }])],
    ['a foreign input', 'charge-foreign-input', AT, () => ({ ...charge(AT), inputs: [...charge(AT).inputs, foreignInput] })],
    [
      'only a foreign input',
      'charge-foreign-input',
      AT,
      () =>
        charge(AT, {
          ...HONEST,
          inputs: [{ ...HONEST.inputs[0]!, ...{ txid: foreignInput.txid, index: foreignInput.index } }],
          outputs: HONEST.outputs.map((output) => ({ ...output, amount: 0n })),
        }),
    ],
    ['no attachment', 'report-malformed', AT, () => ({ ...charge(AT), inputs: [{ ...HONEST.inputs[0]!, witness: [new Uint8Array(98)] }] })],
    ['a byte too many', 'report-malformed', AT, attached(Uint8Array.of(...settlementBytes, 0))],
    ['a salt too few', 'report-malformed', AT, attached(settlementBytes.subarray(0, -32))],
    [
      'a witness item too many',
      'report-malformed',
      AT,
      () => ({ ...charge(AT), inputs: [{ ...HONEST.inputs[0]!, witness: [new Uint8Array(98), ...charge(AT).inputs[0]!.witness] }] }),
    ],
    ['another number of slots', 'report-slots', AT, reported({ slots: 21 })],
    ['a miner left out', 'report-miners', AT, reported({ miners: REPORT.miners.slice(0, 2) })],
    ['miners in another order', 'report-miners', AT, reported({ miners: REPORT.miners.toReversed() })],
    ['supervisors in another order', 'report-supervisors', AT, reported({ supervisors: REPORT.supervisors.toReversed() })],
    ['an evaluator left out', 'report-evaluators', AT, reported({ evaluators: REPORT.evaluators.slice(0, 1) })],
    [
      'more slots signed than there were',
      'report-signed',
      AT,
      reported({ supervisors: REPORT.supervisors.map((entry) => ({ ...entry, signed: 21 })) }),
    ],
    ['a rank twice', 'report-ranks', AT, ranks(1, 1, 0)],
    ['a rank left out', 'report-ranks', AT, ranks(1, 3, 0)],
    ['no first rank', 'report-ranks', AT, ranks(2, 0, 0)],
    [
      'no certificate bytes',
      'certificate-malformed',
      AT,
      () => ({ ...HONEST, inputs: [{ ...HONEST.inputs[0]!, witness: [new Uint8Array(97), HONEST.inputs[0]!.witness[1]!] }] }),
    ],
  ])

  test("another task's escrow pays nothing", () => {
    const ledger = ledgerAt('drawn')
    ledger.mine([...task(ledger).evaluators.map((id) => commit(ledger, id)), pay(ledger, { ...DOCUMENT, name: 'second' })])
    const second = ledger.view().tasks()[1]!
    const honest = unsignedCharge(ledger)
    const input = { ...honest.inputs[0]!, ...second.escrow }
    expect(ledger.code(charge(ledger, { ...honest, inputs: [input] }))).toBe('charge-inputs')
    const extended = { ...honest, outputs: [...honest.outputs, { amount: 1_050_000_007n, script: key('m1') }] }
    const signedBoth = charge(ledger, extended)
    expect(ledger.code({ ...signedBoth, inputs: [...signedBoth.inputs, { ...input, witness: [] }] })).toBe('charge-inputs')
    expect(ledger.code(charge(ledger, honest))).toBe('ok')
  })

  test('every field of the record follows from the report', () => {
    // Offsets of 4.2: flags, report, winner, root, total, confiscated, payees.
    for (const at of [6, 40, 72, 104, 136, 144, 152]) {
      const spoilt = damagedRecord(recordOf(HONEST), at, HONEST.outputs[0]!.script[RECORD_AT + at]! ^ 1)
      expect(AT.code(charge(AT, { ...HONEST, outputs: [spoilt, ...HONEST.outputs.slice(1)] })), `byte ${at}`).toBe('charge-record')
    }
    const reserved = damagedRecord(recordOf(HONEST), 154, 1)
    expect(AT.code(charge(AT, { ...HONEST, outputs: [reserved, ...HONEST.outputs.slice(1)] }))).toBe('record-reserved')
    expect(recordOf(HONEST)).toMatchObject({ payees: 8, confiscated: 0n, winnerHash: REPORT.miners[1]!.modelHash })
  })

  test('an evaluator whose salt does not open its commitment is not paid, and no other way is accepted', () => {
    const wrong = salts.map((salt, index) => (index === 0 ? new Uint8Array(32) : salt))
    // The honest outputs with a salt that opens nothing: the record no longer follows.
    expect(AT.code(attached(encodeSettlement(REPORT, wrong))())).toBe('charge-record')
    expect(AT.code(charge(AT, { ...HONEST, inputs: HONEST.inputs }))).toBe('ok')
    // Another report than the one committed to opens no commitment: the evaluators that sign it work for nothing.
    const other = { ...REPORT, miners: REPORT.miners.map((miner) => ({ ...miner, loss: 0.25 })) }
    const tx = unsignedCharge(AT, other)
    expect(AT.code(charge(AT, tx))).toBe('ok')
    expect(tx.outputs.length).toBe(HONEST.outputs.length - 2)
    expect(encodeReport(other)).not.toEqual(encodeReport(REPORT))
  })

  function recordOf(tx: Tx): ChainRecord<'CHARGE_FOR_TASK'> {
    return decodeRecord(tx.outputs[0]!.script.subarray(RECORD_AT)) as ChainRecord<'CHARGE_FOR_TASK'>
  }
})
