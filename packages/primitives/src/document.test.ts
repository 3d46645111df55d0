import { bytesToHex, concatBytes, hexToBytes } from '@pouw/crypto'
import { encode, rfc8949EncodeOptions } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  batchBytes,
  batchesPerSegment,
  decodeTaskDocument,
  documentHash,
  documentMatchesRecord,
  encodeTaskDocument,
  flopsPerIteration,
  lossRows,
  modelNumbers,
  modelParams,
  modelSpec,
  parseTaskDocument,
  recordOfDocument,
  residualNumbers,
  segmentSamples,
  type TaskDocument,
  trainingBatches,
} from './document.ts'
import { decodeNetworkParams, encodeNetworkParams, type NetworkParams, paramsHash } from './params.ts'
import { decodeRecord, encodeRecord } from './records.ts'

/** As a person would write it: plain numbers, amounts as decimal strings. */
const written = () => ({
  version: 1,
  name: 'digits',
  payment: { fee: '1000000', quotas: { miners: 7000, supervisors: 2000, evaluators: 1000 } },
  profile: 'f32',
  ml: {
    dataset: {
      name: 'mnist',
      format: 'idx-u8',
      samples: 70_000,
      features: 784,
      classes: 10,
      scale: 1 / 255,
      files: [{ name: 'images', sha256: 'ab'.repeat(32) }],
      segments: 10,
      testSegments: 3,
    },
    model: {
      type: 'dense',
      layers: [
        { id: 'hidden1', nodes: 128, activation: 'relu' },
        { id: 'hidden2', nodes: 64, activation: 'relu' },
        { id: 'out', nodes: 10, activation: 'identity' },
      ],
      loss: 'softmax-cross-entropy',
      initializer: { name: 'xavier', magnitude: 2.24, seed: 'first' },
    },
    optimizer: { type: 'sgd', rate: 0.1, warmup: 300, tau: 12, peerScale: 1 },
    validation: { method: 'none' },
    'evaluation-metrics': ['accuracy', 'cross-entropy'],
    batch: 128,
    epochs: 30,
    staleness: 3,
  },
  workers: {
    miners: 3,
    supervisors: 4,
    evaluators: 3,
    backups: { miners: 1, supervisors: 1, evaluators: 1 },
    minStake: '5000',
    family: 1,
    deadline: 500,
    epsilonBp: 2500,
    slotMs: 250,
  },
})

const document = parseTaskDocument(written())
const bytes = encodeTaskDocument(document)

/** A copy of the written document with one value replaced; `undefined` takes the key out. */
function altered(path: string, value: unknown): unknown {
  const copy = structuredClone(written()) as Record<string, unknown>
  const keys = path.split('.')
  let place = copy
  for (const key of keys.slice(0, -1)) place = place[key] as Record<string, unknown>
  if (value === undefined) delete place[keys.at(-1)!]
  else place[keys.at(-1)!] = value
  return copy
}

describe('schema', () => {
  test.each([
    ['version', 3],
    ['name', ''],
    ['name', 'x'.repeat(65)],
    ['profile', 'f64'],
    ['payment.fee', -1],
    ['payment.fee', '1e6'],
    ['payment.fee', 0.5],
    ['payment.quotas', { miners: 7000, supervisors: 2000, evaluators: 1001 }],
    ['ml.batch', 0],
    ['ml.batch', 1.5],
    ['ml.batch', 7001],
    ['ml.epochs', 65_536],
    ['ml.dataset.samples', Number.NaN],
    ['ml.dataset.classes', 257],
    ['ml.dataset.testSegments', 10],
    ['ml.dataset.scale', Infinity],
    ['ml.dataset.scale', '0.1'],
    ['ml.dataset.files', [{ name: 'x', sha256: 'AB'.repeat(32) }]],
    ['ml.model.layers', []],
    ['ml.model.layers', [{ id: 'out', nodes: 9, activation: 'identity' }]],
    ['ml.model.layers', [{ id: 'out', nodes: 10, activation: 'relu' }]],
    ['ml.optimizer.tau', 0],
    ['ml.optimizer.peerScale', 1.5],
    ['ml.optimizer.rate', undefined],
    ['ml.validation.method', 'holdout'],
    ['ml.evaluation-metrics', ['cross-entropy', 'accuracy']],
    ['workers.supervisors', 5],
    ['workers.miners', 2],
    ['workers.slotMs', 49],
    ['workers.backups', { miners: 256, supervisors: 0, evaluators: 0 }],
  ])('%s = %j is refused with its path', (path, value) => {
    expect(() => parseTaskDocument(altered(path, value))).toThrow(TypeError)
    expect(() => parseTaskDocument(altered(path, value))).toThrow(path)
  })

  test('unknown keys, duplicate layer ids, files of synthetic data, batches beyond 32 bits', () => {
    expect(() => parseTaskDocument(altered('ml.dataset.url', 'x'))).toThrow('ml.dataset: unknown key "url"')
    expect(() => parseTaskDocument(altered('ml.dataset.toString', 'x'))).toThrow()
    expect(() => parseTaskDocument(altered('ml.dataset.format', 'synthetic'))).toThrow('ml.dataset.files')
    const twice = [
      { id: 'a', nodes: 10, activation: 'identity' },
      { id: 'a', nodes: 10, activation: 'identity' },
    ]
    expect(() => parseTaskDocument(altered('ml.model.layers', twice))).toThrow('different ids')
    const wide = altered('ml.dataset.features', 1_000_000) as { ml: { batch: number; dataset: { samples: number } } }
    wide.ml.batch = 5_000
    expect(() => parseTaskDocument(wide)).toThrow('ml.batch')
    for (const plain of [null, 7, 'x', [], undefined]) expect(() => parseTaskDocument(plain)).toThrow(TypeError)
  })

  test('numbers are rounded to binary32 once; amounts become bigint', () => {
    expect(document.ml.optimizer.rate).toBe(Math.fround(0.1))
    expect(document.payment.fee).toBe(1_000_000n)
    expect(parseTaskDocument(altered('payment.fee', 1_000_000))).toEqual(document)
    expect(parseTaskDocument(document)).toEqual(document)
  })
})

/** CBOR of the document with its keys in written order, or of an altered copy. */
const asWritten = (value: unknown) => encode(value, { mapSorter: () => 0 })

describe('one encoding', () => {
  test('round trip', () => {
    expect(decodeTaskDocument(bytes)).toEqual({ ok: true, document })
    expect(documentHash(bytes)).toMatch(/^[0-9a-f]{64}$/)
    expect(bytes).toEqual(encode(document, rfc8949EncodeOptions))
  })

  test('keys in another order, trailing bytes, cut bytes', () => {
    expect(asWritten(document)).not.toEqual(bytes)
    expect(asWritten(document).length).toBe(bytes.length)
    expect(decodeTaskDocument(asWritten(document)).ok).toBe(false)
    expect(decodeTaskDocument(concatBytes(bytes, Uint8Array.of(0))).ok).toBe(false)
    for (let end = 0; end < bytes.length; end += 7) expect(decodeTaskDocument(bytes.subarray(0, end)).ok).toBe(false)
  })

  /** Swaps one encoded value for another that means the same. */
  const swapped = (from: string, to: string) => {
    const hex = bytesToHex(bytes)
    expect(hex.split(from).length, `${from} occurs once`).toBe(2)
    return decodeTaskDocument(hexToBytes(hex.replace(from, to)))
  }
  const key = (name: string) => bytesToHex(encode(name))

  test('longer integers and lengths, other floats, indefinite lengths, tags', () => {
    const rate = new Uint8Array(4)
    new DataView(rate.buffer).setFloat32(0, 0.1)
    const double = new Uint8Array(8)
    new DataView(double.buffer).setFloat64(0, Math.fround(0.1))
    expect(swapped(`${key('rate')}fa${bytesToHex(rate)}`, `${key('rate')}fa3f000000`).ok).toBe(false) // 0.5 has a shorter form
    expect(swapped(`${key('rate')}fa${bytesToHex(rate)}`, `${key('rate')}f93800`).ok).toBe(true)
    expect(swapped(`${key('rate')}fa${bytesToHex(rate)}`, `${key('rate')}fb${bytesToHex(double)}`).ok).toBe(false)
    expect(swapped(`${key('rate')}fa${bytesToHex(rate)}`, `${key('rate')}f97e00`).ok).toBe(false) // NaN
    expect(swapped(`${key('tau')}0c`, `${key('tau')}180c`).ok).toBe(false)
    expect(swapped(`${key('tau')}0c`, `${key('tau')}fa41400000`).ok).toBe(false)
    expect(swapped(`${key('epochs')}181e`, `${key('epochs')}19001e`).ok).toBe(false)
    expect(swapped(`${key('epochs')}181e`, `${key('epochs')}1b000000000000001e`).ok).toBe(false)
    expect(swapped(`${key('epochs')}181e`, `${key('epochs')}c0181e`).ok).toBe(false)
    expect(swapped(`${key('profile')}63663332`, `${key('profile')}7803663332`).ok).toBe(false)
    expect(swapped(`${key('profile')}63663332`, `${key('profile')}7f63663332ff`).ok).toBe(false)
    expect(swapped(`${key('seed')}656669727374`, `${key('seed')}656669727374`).ok).toBe(true)
  })

  test('a changed byte gives another document or none', () => {
    for (let at = 0; at < bytes.length; at++) {
      for (const mask of [0x01, 0x20, 0x80]) {
        const changed = bytes.slice()
        changed[at]! ^= mask
        const decoded = decodeTaskDocument(changed)
        if (decoded.ok) {
          expect(encodeTaskDocument(decoded.document), `byte ${at}`).toEqual(changed)
          expect(decoded.document, `byte ${at}`).not.toEqual(document)
        }
      }
    }
  })

  test('noise never throws; 16 KiB is the end', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length), fc.uint8Array({ maxLength: 100 }), (keep, tail) => {
        const noise = concatBytes(bytes.subarray(0, keep), tail)
        const decoded = decodeTaskDocument(noise)
        if (decoded.ok) expect(encodeTaskDocument(decoded.document)).toEqual(noise)
        else expect(typeof decoded.error).toBe('string')
      }),
      { numRuns: 300 },
    )
    // Arrays within arrays: a decoder that recurses must not run out of stack.
    expect(decodeTaskDocument(new Uint8Array(16_384).fill(0x81)).ok).toBe(false)
    expect(decodeTaskDocument(new Uint8Array(16_385)).ok).toBe(false)
  })
})

test('derived numbers of the MNIST task (10.8)', () => {
  expect(modelParams(document)).toBe(109_386)
  expect(batchBytes(document)).toBe(785 * 128)
  expect(flopsPerIteration(document)).toBe(6 * 109_386 * 128)
  expect(segmentSamples(document)).toBe(7000)
  expect(batchesPerSegment(document)).toBe(54)
  expect(trainingBatches(document)).toBe(378)
})

test('the PAY_FOR_TASK record says what the document says, field by field', () => {
  const record = recordOfDocument(document, 'cd'.repeat(32))
  expect(record.documentHash).toBe(documentHash(bytes))
  expect(decodeRecord(encodeRecord(record))).toEqual(record)
  expect(documentMatchesRecord(document, record).ok).toBe(true)
  const numbers = [
    'modelSize',
    'batchBytes',
    'epochs',
    'minersWanted',
    'segments',
    'tau',
    'deadline',
    'family',
    'optimiser',
    'backupMiners',
  ] as const
  for (const field of numbers) expect(documentMatchesRecord(document, { ...record, [field]: record[field] + 1 }).ok, field).toBe(false)
  for (const field of ['fee', 'minStake'] as const)
    expect(documentMatchesRecord(document, { ...record, [field]: record[field] + 1n }).ok, field).toBe(false)
  expect(documentMatchesRecord({ ...document, name: 'other' }, record).ok).toBe(false)
})

const params: NetworkParams = {
  name: 'test',
  hrp: 'tpouw',
  genesisTime: 1_700_000_000,
  genesisBits: 0x207fffff,
  limitBits: 0x207fffff,
  spacingS: 5,
  halfLifeS: 20,
  maxAheadS: 30,
  subsidy: 5_000_000_000n,
  halvingInterval: 210_000,
  verifierFeeBp: 500,
  coinbaseMaturity: 2,
  ticketMaturity: 2,
  ticketPriceMin: 1000n,
  maxNewTicketsPerBlock: 20,
  participationWindow: 2,
  evidenceWindow: 4,
  graceBlocks: 10,
  bondBp: 500,
  maxBlockBytes: 2_000_000,
  minTxFee: 0n,
  omegaB: 4295,
  omegaM: 43,
  flopsPerTry: 1_000_000,
  fillerFactor: 8,
  filler: {
    iterations: 16,
    batch: 32,
    features: 16,
    classes: 4,
    hidden: [16],
    samples: 512,
    dataSeed: 'filler',
    scale: Math.fround(1 / 255),
    rate: Math.fround(0.1),
    tau: 1,
    magnitude: Math.fround(2.24),
  },
  verifierDraw: 4,
  verifierQuorum: 3,
  maxLateSlots: 20,
  slotMs: 250,
  proposalMs: 30_000,
  commitMs: 0,
  verifyMs: 60_000,
  evaluateMs: 60_000,
  leadMs: 2000,
  groupKeys: 'aggregate',
}

test('network parameters: one encoding, and each parameter is in the hash', () => {
  const encoded = encodeNetworkParams(params)
  expect(decodeNetworkParams(encoded)).toEqual(params)
  expect(() => decodeNetworkParams(asWritten(params))).toThrow(TypeError)
  expect(() => decodeNetworkParams(encoded.subarray(1))).toThrow(TypeError)
  expect(() => encodeNetworkParams({ ...params, extra: 1 } as NetworkParams)).toThrow('extra')
  expect(() => encodeNetworkParams({ ...params, verifierQuorum: 17 })).toThrow('verifierQuorum')
  for (const [name, value] of Object.entries(params)) {
    const changed = typeof value === 'number' ? value + 1 : typeof value === 'bigint' ? value + 1n : undefined
    if (changed === undefined || name === 'commitMs') continue
    expect(paramsHash({ ...params, [name]: changed } as NetworkParams), name).not.toBe(paramsHash(params))
  }
  expect(paramsHash({ ...params, filler: { ...params.filler, tau: 2 } } as NetworkParams)).not.toBe(paramsHash(params))
})

test('the document type has no field that the schema lacks', () => {
  const typed: TaskDocument = document
  expect(Object.keys(typed)).toEqual(Object.keys(written()))
})

describe('version 2', () => {
  /** Any layers and optimisers, as a person would write them and a client's node would bind them. */
  const general = (model: object = {}, optimizer: object = {}, top: object = {}) => ({
    ...written(),
    version: 2,
    profile: 'bf16x',
    arithmetic: { kernels: 'ab'.repeat(32), program: 'cd'.repeat(32) },
    ...top,
    ml: {
      ...written().ml,
      model: {
        type: 'layers',
        input: [1, 28, 28],
        layers: [
          { id: 'conv', type: 'conv2d', filters: 8, kernel: [3, 3], padding: 'same', activation: 'relu' },
          { id: 'norm', type: 'batch-norm' },
          { id: 'pool', type: 'global-average-pool' },
          { id: 'out', nodes: 10 },
        ],
        loss: 'softmax-cross-entropy',
        initializer: { name: 'xavier', magnitude: 2.24, seed: 'first' },
        ...model,
      },
      optimizer: {
        type: 'adamw',
        rate: 0.001,
        warmup: 10,
        schedule: { type: 'cosine', steps: 1000 },
        weightDecay: 0.01,
        clip: { type: 'norm', max: 1 },
        tau: 0.001,
        peerScale: 1,
        ...optimizer,
      },
    },
  })

  test('one encoding; sizes and work follow from the layers', () => {
    const document = parseTaskDocument(general())
    const decoded = decodeTaskDocument(encodeTaskDocument(document))
    expect(decoded).toEqual({ ok: true, document })
    // 9 weights and a bias a filter, scale and shift a channel, the dense layer.
    const params = 8 * 10 + 2 * 8 + 10 * 9
    expect([modelParams(document), modelNumbers(document), residualNumbers(document)]).toEqual([params, params + 16, 3 * params])
    expect(flopsPerIteration(document)).toBe(6 * 128 * (28 * 28 * 8 * 9 + 80))
    expect(recordOfDocument(document, 'ef'.repeat(32)).optimiser).toBe(6)
    // What is left out has no bytes, so a document has one form.
    expect('bias' in document.ml.model.layers[0]!).toBe(false)
  })

  test.each([
    [{ layers: [{ id: 'out', nodes: 9 }] }, 'expected an output of [10]'],
    [{ loss: 'huber' }, 'ml.evaluation-metrics: expected [huber]'],
    [{ delta: 0.5 }, 'ml.model.delta: expected only beside loss huber'],
    [{ vocabulary: 10 }, 'ml.model.input: expected [784], a sequence of tokens'],
    [{ vocabulary: 10, input: [784] }, 'ml.dataset.scale: expected 1'],
    [{ vocabulary: 257 }, 'ml.model.vocabulary'],
    [{ input: [783] }, 'expected 784 features'],
    [{ layers: [{ id: 'c', type: 'conv2d', filters: 2, kernel: 30 }] }, 'layer c: expected an extent of 30'],
    [
      {
        layers: [
          { id: 'idle', nodes: 1000 },
          { id: 'out', nodes: 10, inputs: ['input'] },
        ],
        input: [784],
      },
      'layer idle: expected a later layer that reads it',
    ],
    [{ layers: [{ id: 'c', type: 'convolution' }] }, 'ml.model.layers[0].type: expected one of'],
    [{ layers: [{ id: 'out', nodes: 10, colour: 'red' }] }, 'unknown key "colour"'],
    [{ layers: [{ id: 'd', type: 'dropout', rate: 2 }] }, 'layers[0].rate'],
    [{ type: 'dense' }, 'ml.model.type'],
  ])('a model that does not fit is refused: %j', (model, message) => {
    expect(() => parseTaskDocument(general(model))).toThrow(message)
  })

  test.each([
    [{ type: 'sgd', beta1: 0.5, schedule: undefined }, 'unknown key "beta1"'],
    [{ type: 'lion' }, 'ml.optimizer.type'],
    [{ schedule: { type: 'cosine' } }, 'ml.optimizer.schedule.steps'],
    [{ clip: { type: 'norm', max: 0 } }, 'ml.optimizer.clip.max'],
  ])('an optimiser that is not one is refused: %j', (optimizer, message) => {
    expect(() => parseTaskDocument(general({}, optimizer))).toThrow(message)
  })

  /** A document whose samples have several answers. */
  const answering = (dataset: object, model: object, metrics: string[]) => {
    const plain = general(model)
    return parseTaskDocument({ ...plain, ml: { ...plain.ml, dataset: { ...plain.ml.dataset, ...dataset }, 'evaluation-metrics': metrics } })
  }
  const tokens = { input: [784], vocabulary: 9 }
  const decoder = [
    { id: 'token', type: 'embedding', vocabulary: 9, width: 4 },
    { id: 'out', nodes: 10 },
  ]
  const ranking = ['accuracy', 'cross-entropy']

  test('tokens with a class each: the loss is a mean over all of them', () => {
    const document = answering({ answers: 784, scale: 1 }, { ...tokens, layers: decoder }, ranking)
    expect(decodeTaskDocument(encodeTaskDocument(document))).toEqual({ ok: true, document })
    expect(modelSpec(document).input).toEqual({ kind: 'tokens', length: 784, vocabulary: 9 })
    expect([lossRows(document), batchBytes(document)]).toEqual([128 * 784, 128 * 2 * 784])
    expect(() => answering({ answers: 783, scale: 1 }, { ...tokens, layers: decoder }, ranking)).toThrow('expected an output of [783, 10]')
    expect(() => answering({ answers: 784, scale: 1, answerScale: 2 }, { ...tokens, layers: decoder }, ranking)).toThrow('answerScale')
  })

  test('targets: an output for each, ranked by the loss', () => {
    const layers = [{ id: 'out', nodes: 7 }]
    const document = answering({ answers: 7, answerScale: 0.5 }, { input: [784], layers, loss: 'huber', delta: 2 }, ['huber'])
    expect(decodeTaskDocument(encodeTaskDocument(document))).toEqual({ ok: true, document })
    expect(modelSpec(document).loss).toEqual({ type: 'huber', delta: 2 })
    expect([lossRows(document), batchBytes(document)]).toEqual([128, 128 * 791])
    expect(() => answering({ answers: 6 }, { input: [784], layers, loss: 'huber' }, ['huber'])).toThrow('an output of 6 numbers')
    expect(() => answering({ answers: 7 }, { input: [784], layers, loss: 'huber' }, ranking)).toThrow('expected [huber]')
  })

  test('synthetic data have answers of their own', () => {
    const synthetic = { format: 'synthetic', files: [], scale: 1 }
    const wide = { input: [784], layers: [{ id: 'out', nodes: 785 }], loss: 'mean-squared-error' }
    expect(() => answering({ ...synthetic, answers: 785 }, wide, ['mean-squared-error'])).toThrow('expected at most 784')
    expect(() => answering({ ...synthetic, answers: 784 }, { ...tokens, layers: decoder }, ranking)).toThrow('ml.model.vocabulary')
  })

  test('keys of version 2 are refused in version 1, and a task must say what computes it', () => {
    expect(() => parseTaskDocument({ ...written(), arithmetic: { kernels: 'ab'.repeat(32), program: 'cd'.repeat(32) } })).toThrow(
      'arithmetic: expected only in version 2',
    )
    expect(() => parseTaskDocument({ ...written(), profile: 'int8x' })).toThrow('profile')
    expect(() => parseTaskDocument(altered('ml.dataset.answers', 2))).toThrow('ml.dataset.answers: expected only in version 2')
    expect(() => parseTaskDocument(altered('ml.model.loss', 'huber'))).toThrow('ml.model.loss')
    expect(() => parseTaskDocument(general({}, {}, { arithmetic: undefined }))).toThrow('arithmetic')
  })
})
