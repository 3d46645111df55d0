import { bytesToHex, sha256 } from '@pouw/crypto'
import { expect, test } from 'vitest'
import { firstDifference } from './compare.ts'
import { MalformedCase } from './input.ts'
import { runSuite } from './run.ts'
import { SUITES } from './suites.ts'

const exact = { rtol: 0, atol: 0 }
const suite = async (name: string) => SUITES.get(name)!()
const run = async (name: string, input: object, out: object, more: object = {}) =>
  runSuite(name, await suite(name), { suite: name, cases: [{ id: 'x', in: input, out, ...more }] }).cases[0]!
const zero = '00'.repeat(32)

test('merkle: the empty tree, one leaf, a proof, and an index that is not there', async () => {
  expect(await run('merkle', { leaves: [] }, { root: bytesToHex(sha256()) })).toMatchObject({ ok: true })
  const leaf = bytesToHex(sha256(Uint8Array.of(0, 0xaa)))
  const other = bytesToHex(sha256(Uint8Array.of(0, 0xbb)))
  expect(await run('merkle', { leaves: ['aa', 'bb'], index: 0 }, { proof: [other] })).toMatchObject({ ok: true })
  expect(await run('merkle', { leaves: ['aa', 'bb'], index: 1 }, { proof: [leaf] })).toMatchObject({ ok: true })
  expect(await run('merkle', { leaves: ['aa'], index: 5 }, { error: true })).toMatchObject({ ok: true })
})

test('schnorr: BIP340 vector 0, and a secret key that is none', async () => {
  const input = { op: 'sign', seckey: `${'00'.repeat(31)}03`, aux: zero, msg: zero }
  const pubkey = 'f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9'
  const sig =
    'e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca821525f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0'
  expect(await run('schnorr', input, { pubkey, sig })).toMatchObject({ ok: true })
  expect(await run('schnorr', { op: 'verify', pubkey, msg: zero, sig }, { valid: true })).toMatchObject({ ok: true })
  expect(await run('schnorr', { ...input, seckey: zero }, { error: true })).toMatchObject({ ok: true })
  await expect(run('schnorr', { ...input, op: 'guess' }, { valid: true })).rejects.toThrow(MalformedCase)
})

test('ed25519: RFC 8032 test 1', async () => {
  const pubkey = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
  const sig =
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'
  expect(await run('ed25519', { op: 'verify', pubkey, msg: '', sig }, { valid: true })).toMatchObject({ ok: true })
  expect(await run('ed25519', { op: 'verify', pubkey, msg: '00', sig }, { valid: false })).toMatchObject({ ok: true })
})

test('ecvrf: RFC 9381 example 16', async () => {
  const input = { suite: 'TAI', op: 'prove', seckey: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', alpha: '' }
  const pubkey = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
  const proof =
    '8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d9727d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805'
  const beta =
    '90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae'
  expect(await run('ecvrf', input, { pubkey, proof, beta })).toMatchObject({ ok: true })
  expect(await run('ecvrf', { suite: 'TAI', op: 'verify', pubkey, alpha: '', proof }, { valid: true, beta })).toMatchObject({ ok: true })
  expect(await run('ecvrf', { suite: 'TAI', op: 'verify', pubkey, alpha: '01', proof }, { valid: false })).toMatchObject({ ok: true })
})

test('bls: sign, verify, aggregate', async () => {
  const seckey = `${'00'.repeat(31)}05`
  const signed = await run('bls', { op: 'sign', seckey, msg: 'aa' }, { sig: '' })
  const { sig } = signed.got as { sig: string }
  expect(sig).toHaveLength(192)
  expect(await run('bls', { op: 'aggregate', sigs: [sig] }, { sig })).toMatchObject({ ok: true })
  expect(await run('bls', { op: 'aggregate', sigs: [] }, { error: true })).toMatchObject({ ok: true })
  expect(await run('bls', { op: 'sign', seckey: zero, msg: 'aa' }, { error: true })).toMatchObject({ ok: true })
})

test('wallet: BIP86 first receiving key', async () => {
  const mnemonic = 'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about'
  const out = { pubkey: 'cc8a4bc64d897bddc5fbc2f670f7a8ba0b386779106cf1223c6fc5d7cd6fc115' }
  expect(await run('wallet', { mnemonic, passphrase: '', path: "m/86'/0'/0'/0/0" }, out)).toMatchObject({ ok: true })
  expect(await run('wallet', { mnemonic: `${mnemonic} about`, passphrase: '', path: 'm' }, { error: true })).toMatchObject({ ok: true })
})

test('address: BIP350', async () => {
  const program = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
  const address = 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0'
  expect(await run('address', { hrp: 'bc', version: 1, program }, { address })).toMatchObject({ ok: true })
  expect(await run('address', { hrp: 'bc', address }, { version: 1, program })).toMatchObject({ ok: true })
  expect(await run('address', { hrp: 'tb', address }, { error: true })).toMatchObject({ ok: true })
})

test('record and header: fields to bytes and back, and bytes that are none', async () => {
  const fields = {
    flags: 0,
    taskId: '02'.repeat(32),
    term: 1,
    firstSlot: 0,
    lastSlot: 9,
    historyRoot: '03'.repeat(32),
    messages: 1234,
    previousRoot: '04'.repeat(32),
    logHash: '05'.repeat(32),
    signers: 15,
  }
  const made = await run('record', { type: 'MESSAGE_HISTORY', fields }, { script: '' })
  const { script } = made.got as { script: string }
  // Vector R1 of the specification names the checksum.
  expect(script.slice(-8)).toBe('f0914f5c')
  expect(await run('record', { script }, { type: 'MESSAGE_HISTORY', fields })).toMatchObject({ ok: true })
  expect(await run('record', { script }, { type: 5, fields })).toMatchObject({ ok: true })
  expect(await run('record', { script: `${script.slice(0, -2)}00` }, { error: true })).toMatchObject({ ok: true })
  await expect(run('record', { type: 'NO_SUCH', fields }, { script })).rejects.toThrow(MalformedCase)

  const header = {
    version: 1,
    hashPrevBlock: zero,
    hashMerkleRoot: zero,
    time: 5,
    bits: 0x1f3fffff,
    nonce: zero,
    hashMsg: zero,
    hashMsgHist: zero,
  }
  const { raw } = (await run('header', header, { raw: '' })).got as { raw: string }
  expect(raw).toHaveLength(344)
  expect(await run('header', { raw }, header)).toMatchObject({ ok: true })
  expect(await run('header', { raw: `${raw}00` }, { error: true })).toMatchObject({ ok: true })
})

test.each(['nonce', 'schnorr', 'target', 'update-map'])('the published example of %s passes', async (name) => {
  const published: Record<string, string> = EXAMPLES
  expect(runSuite(name, await suite(name), JSON.parse(published[name]!))).toMatchObject({ failed: 0 })
})

test('update maps on a single coordinate, and applied maps', async () => {
  expect(await run('update-map', { residual: [13], gradient: [0], tau: 12 }, { residual: [1], map: '00000080' })).toMatchObject({
    ok: true,
  })
  const apply = { weights: [1, 1, 1], rate: 0.5, batch: 4, tau: 8 }
  expect(await run('apply-map', { ...apply, maps: ['00000080', '0000008002000000'] }, { weights: [-1, 1, 2] })).toMatchObject({ ok: true })
  expect(await run('apply-map', { ...apply, maps: ['03000080'] }, { error: true })).toMatchObject({ ok: true })
})

test('tensor: a dense layer by hand, with and without a step', async () => {
  const input = {
    profile: 'f32',
    layers: [{ id: 'out', type: 'dense', nodes: 2, activation: 'identity' }],
    params: { 'out.weight': { shape: [2, 1], data: [0, 0] }, 'out.bias': { shape: [2], data: [0, 0] } },
    x: { shape: [2, 1], data: [1, 3] },
    y: [0, 1],
    loss: 'softmax-cross-entropy',
  }
  const out = { output: [0, 0, 0, 0], loss: Math.fround(Math.LN2), grads: { 'out.weight': [0.5, -0.5], 'out.bias': [0, 0] } }
  expect(await run('tensor', input, out, { rtol: 1e-6 })).toMatchObject({ ok: true })
  expect(await run('tensor', { ...input, reduction: 'sum' }, { grads: { 'out.weight': [1, -1] } }, { rtol: 1e-6 })).toMatchObject({
    ok: true,
  })
  const steps = { ...input, optimizer: { type: 'sgd', rate: 0.1 }, steps: 1 }
  expect(await run('tensor', steps, { params: { 'out.weight': { shape: [2, 1], data: [-0.05, 0.05] } } }, { rtol: 1e-6 })).toMatchObject({
    ok: true,
  })
  await expect(run('tensor', { ...input, profile: 'f16' }, out)).rejects.toThrow(MalformedCase)
  for (const optimizer of [
    { type: 'sgd', rate: 0.1, momentum: 0.9 },
    { type: 'lion', rate: 0.1 },
  ])
    await expect(run('tensor', { ...steps, optimizer }, out)).rejects.toThrow(/in: optimizer/)
})

test('tensor: a squared error and steps of Adam and momentum by hand', async () => {
  const input = {
    profile: 'f32',
    layers: [{ id: 'out', nodes: 1, bias: false }],
    params: { 'out.weight': { shape: [1, 1], data: [1] } },
    x: { shape: [2, 1], data: [1, 2] },
    y: [0, 0],
    loss: 'mean-squared-error',
  }
  // (1 + 4) / 2, and its slope 2 (1 x 1 + 2 x 2) / 2.
  const out = { loss: 2.5, grads: { 'out.weight': [5] } }
  expect(await run('tensor', input, out)).toMatchObject({ ok: true })
  const after = (optimizer: object, steps: number, weight: number) =>
    run('tensor', { ...input, optimizer, steps }, { params: { 'out.weight': [weight] } }, { rtol: 1e-6 })
  // Adam's first step is the rate, whatever the gradient.
  expect(await after({ type: 'adam', rate: 0.1 }, 1, 0.9)).toMatchObject({ ok: true })
  expect(await after({ type: 'momentum', rate: 0.1, momentum: 0.5 }, 1, 0.5)).toMatchObject({ ok: true })
  // v = 0.5 x 5 + 2.5
  expect(await after({ type: 'momentum', rate: 0.1, momentum: 0.5 }, 2, 0)).toMatchObject({ ok: true })
  expect(await after({ type: 'sgd', rate: 0.1, weightDecay: 1 }, 1, 0.4)).toMatchObject({ ok: true })
})

test('payout and select run on the rules of the ledger', async () => {
  const input = {
    fee: '1000',
    bond: '50',
    confiscated: '0',
    quotas: { miners: 8000, supervisors: 1500, evaluators: 500 },
    slots: 10,
    miners: [
      { ticket: '01'.repeat(32), rank: 1, recorded: 10 },
      { ticket: '02'.repeat(32), rank: 0, recorded: 10 },
    ],
    supervisors: [{ ticket: '03'.repeat(32), signed: 10 }],
    evaluators: [{ ticket: '04'.repeat(32), paid: false }],
  }
  const payouts = [
    { ticket: '01'.repeat(32), amount: '800' },
    { ticket: '03'.repeat(32), amount: '150' },
  ]
  expect(await run('payout', input, { payouts, client: '100' })).toMatchObject({ ok: true })
  const record01 = { modelSize: 1, batchBytes: 1, epochs: 1, fee: '1', deadline: 1, minersWanted: 1, minStake: '1', family: 1 }
  const tickets = [{ id: '05'.repeat(32), seckey: '06'.repeat(32), preferences: 'ff'.repeat(16), families: 1 }]
  // Family 1 is not accepted, so the similarity is 0 and nothing hits.
  expect(await run('select', { role: 1, seedBlockId: zero, taskId: zero, tickets, record01 }, { hits: [] })).toMatchObject({ ok: true })
})

test('a wrong answer fails and says where', async () => {
  const result = await run('target', { bits: 486604799 }, { target: zero })
  expect(result).toMatchObject({ ok: false, difference: { field: 'target', expected: zero } })
})

test('what is not a case is never a pass', async () => {
  const target = await suite('target')
  const bad: unknown[] = [
    null,
    [],
    {},
    { suite: 'target', cases: [] },
    { suite: 'other', cases: [{ id: 'x', in: { bits: 1 }, out: { error: true } }] },
    { suite: 'target', cases: [{ id: 'x', in: { bits: 1 } }] },
    { suite: 'target', cases: [{ id: 'x', in: { bits: 1 }, out: {} }] },
    { suite: 'target', cases: [{ id: 'x', in: { bits: 'abc' }, out: { error: true } }] },
    { suite: 'target', cases: [{ id: 'x', in: { bits: 1 }, out: { error: true }, rtol: -1 }] },
  ]
  for (const file of bad) expect(() => runSuite('target', target, file), JSON.stringify(file)).toThrow(MalformedCase)
})

test('numbers are compared exactly unless the case allows a distance', () => {
  expect(firstDifference([1, 0], [1, -0], exact)).toBeUndefined()
  expect(firstDifference([-0], [0], exact)).toMatchObject({ field: '[0]' })
  expect(firstDifference(1, 1.0000001, exact)).toBeDefined()
  expect(firstDifference(1, 1.0000001, { rtol: 1e-6, atol: 0 })).toBeUndefined()
  expect(firstDifference([[1, 2], [3]], [1, 2, 3], exact)).toBeUndefined()
  expect(firstDifference({ a: { b: 1 } }, { a: {} }, exact)).toMatchObject({ field: 'a.b', got: null })
  expect(firstDifference([1], [1, 2], exact)).toBeDefined()
  expect(firstDifference({ toString: 1 }, {}, exact)).toBeDefined()
})

/** The examples that are published with the suites. */
const EXAMPLES = {
  nonce:
    '{"suite":"nonce","cases":[{"id":"N1","in":{"taskId":"0000000000000000000000000000000000000000000000000000000000000000","ticketId":"0101010101010101010101010101010101010101010101010101010101010101","sequence":7,"weights":[1.0,-2.0,0.5],"map":"0300008002010000","batchBytes":314000,"params":109386},"out":{"modelHash":"0d1d77284d8e7a225c27a37e4f5f505748cc63985105925b50db7517bb47e9a0","precursor":"7b1a051cdb0eb56f057624aecdfb0466b3e65ef49a1dd807a547e0434ae1ced9","nonce0":"04655c00bdc16c1d5003fda7755b8b68d72dbeed6befb1d3e39aa735b41ec30e"}}]}',
  schnorr:
    '{"suite":"schnorr","cases":[{"id":"bip340-0","in":{"op":"sign","seckey":"0000000000000000000000000000000000000000000000000000000000000003","aux":"0000000000000000000000000000000000000000000000000000000000000000","msg":"0000000000000000000000000000000000000000000000000000000000000000"},"out":{"pubkey":"f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9","sig":"e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca821525f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0"}}]}',
  target:
    '{"suite":"target","cases":[{"id":"genesis","in":{"bits":486604799},"out":{"target":"00000000ffff0000000000000000000000000000000000000000000000000000"}},{"id":"negative","in":{"bits":33479866},"out":{"error":true}}]}',
  'update-map':
    '{"suite":"update-map","cases":[{"id":"one-quantum","in":{"residual":[0,11.5,-12.25,30,-0.0],"gradient":[1,1,0,0,0],"tau":12},"out":{"residual":[1,0.5,-0.25,18,0],"map":"010000800200000003000080"}},{"id":"strict","in":{"residual":[12,-12],"gradient":[0,0],"tau":12},"out":{"residual":[12,-12],"map":""}}]}',
} as const
