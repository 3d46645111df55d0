/**
 * What a dishonest client of the network can try, against real nodes over real sockets: each forgery is refused at the check that the
 * protocol names, costs its sender, stops nobody, and an honest block goes through afterwards.
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { bondOf, buildPayForTask, finishCharge, groupDigest } from '@pouw/chain'
import { bitcoinMerkleRoot, bls, bytesToHex, hexToBytes, sha256, sha256d } from '@pouw/crypto'
import { defaultLimits } from '@pouw/p2p'
import {
  type Block,
  blockId,
  checkRecord,
  coreHash,
  decodeBundle,
  decodeIterationResult,
  decodeMessage,
  encodeTx,
  type Hex,
  parseScript,
  printHash,
  recordScript,
  type Tx,
  txId,
} from '@pouw/primitives'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  budgetOf,
  fillerWithoutWork,
  forgeResult,
  isTaskBlock,
  keysOfTicket,
  signInputs,
  signMessage,
  withNonce,
} from './refusals/forge.ts'
import { makePast, type Past } from './refusals/past.ts'
import { type Attacker, openStage, type Stage } from './refusals/stage.ts'

let past: Past

beforeAll(() => {
  past = makePast()
}, 120_000)

/** Everybody has lost trust in this peer, and everybody still works. */
async function costsTheSender(stage: Stage, attacker: Attacker): Promise<void> {
  await stage.until('the score of the sender falls everywhere', () => attacker.scores().every((score) => score < 0))
}

describe('while a task trains', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(past, past.training, ['verifier', 'verifier', 'verifier', 'supervisor'])
  }, 60_000)
  afterAll(() => stage?.stop())

  /** The honest block, its message, and the keys of those who could have forged it. */
  function honestWork() {
    const honest = past.training.next.block
    if (!isTaskBlock(honest)) throw new Error('expected a block of the task')
    const view = stage.nodes[0]!.brain.chain.view()
    const result = decodeIterationResult(honest.work.result)!
    const task = view.task(result.taskId)!
    const miner = keysOfTicket(past, view.ticket(result.ticketId)!.vrfKey)
    const supervisors = task.supervisors.map((id) => keysOfTicket(past, view.ticket(id)!.vrfKey))
    const bundle = decodeBundle(past.blob(honest.work.bundle)!)!
    const forge = (change: Parameters<typeof forgeResult>[4]) => forgeResult(past, honest, miner, supervisors, change)
    return { honest, result, previous: decodeIterationResult(honest.work.previous)!, task, miner, bundle, forge }
  }

  /** Somebody who stands for the miner, as his HELLO shows, and serves what the replay needs. */
  async function minerPeer(): Promise<Attacker> {
    const { honest, result, bundle, miner } = honestWork()
    const attacker = await stage.attacker()
    const assignment = decodeMessage(bundle.assignment.message)
    const tableHash = assignment?.kind === 'ASSIGNMENT' ? assignment.tableHash : ''
    for (const hash of [honest.work.bundle, result.startModelHash, result.startResidualHash, result.batchHash, tableHash])
      attacker.serve(past.blob(hash)!)
    await attacker.hello(result.ticketId, result.taskId, miner)
    return attacker
  }

  async function isRefused(forged: Block, expected: string, attacker: Attacker): Promise<void> {
    const id = await attacker.publish(forged)
    const told = () => stage.nodes.map((node) => stage.refusals(node, id)[0])
    await stage.until(`block refused with ${expected}, not ${told()}`, () => told().every((refusal) => refusal !== undefined))
    expect(told()).toEqual(stage.nodes.map(() => expected))
    await costsTheSender(stage, attacker)
    for (const { brain } of stage.nodes) expect(brain.chain.entry(id)).toBeUndefined()
  }

  /** What the verifiers found when they replayed. */
  function findings(id: Hex): string[] {
    return stage.nodes
      .flatMap(({ emitted }) =>
        emitted.filter(({ name, fields }) => name === 'block-replayed' && fields.ok === false && fields.code).map(({ fields }) => fields),
      )
      .filter((fields) => fields.hash === printHash(id))
      .map((fields) => `${fields.check}:${fields.code}`)
  }

  async function isRefuted(forged: Block, check: number, code: string, attacker: Attacker): Promise<void> {
    await isRefused(forged, `${check}:quorum`, attacker)
    expect(findings(blockId(forged))).toEqual(Array(3).fill(`${check}:${code}`))
  }

  test("a valid hash without any iteration behind it: 14 by replay; 9 if the nonce is no iteration's; 6 if nobody signed it", async () => {
    const { honest, miner } = honestWork()
    await isRefuted(fillerWithoutWork(honest, miner), 14, 'update-map', await stage.attacker())
    await isRefused(fillerWithoutWork(honest, miner, '11'.repeat(32)), '9:nonce-out-of-range', await stage.attacker())
    const forged = fillerWithoutWork(honest, miner)
    const header = { ...forged.header, nonce: '22'.repeat(32) }
    await isRefused({ ...forged, header }, '6:signature', await stage.attacker())
  })

  test('a changed update map: 14', async () => {
    const { forge } = honestWork()
    // The first coordinate moves the other way.
    const forged = forge(({ map }) => ({ map: map.map((byte, index) => (index === 3 ? byte ^ 0x80 : byte)) }))
    await isRefuted(forged, 14, 'update-map', await minerPeer())
  })

  test('a subset of the peers left out: 12', async () => {
    const { forge, result, bundle } = honestWork()
    const cores = bundle.slots
      .flatMap((slot) => slot.messages)
      .map((bytes) => decodeIterationResult(bytes))
      .filter((message) => message && message.ticketId !== result.ticketId)
      .map((message) => hexToBytes(coreHash(message!)))
    expect(cores.length).toBeGreaterThan(0)
    expect(bytesToHex(sha256(...cores))).toBe(result.peerHash)
    const forged = forge(() => ({ peerHash: bytesToHex(sha256(...cores.slice(1))) }))
    await isRefuted(forged, 12, 'peer-hash', await minerPeer())
  })

  test('a batch used again: 11', async () => {
    const { forge, previous } = honestWork()
    const forged = forge(() => ({ batchIndex: previous.batchIndex, batchHash: previous.batchHash }))
    await isRefuted(forged, 11, 'batch-not-due', await minerPeer())
  })

  test('a start residual that is not the end of the previous one: 13', async () => {
    const { forge, result } = honestWork()
    const attacker = await minerPeer()
    const residual = Uint8Array.from(past.blob(result.startResidualHash)!)
    residual[residual.length - 1]! ^= 1
    await isRefuted(
      forge(() => ({ startResidualHash: attacker.serve(residual) })),
      13,
      'start-residual',
      attacker,
    )
  })

  test('a commitment at distance k-1: 7', async () => {
    const { forge } = honestWork()
    const forged = forge(({ sequence }) => ({ sequence: sequence - 1 }))
    await isRefused(forged, '7:commitment-distance', await minerPeer())
  })

  test('a nonce outside [0, a): 9', async () => {
    const { honest, task } = honestWork()
    const budget = budgetOf(past, task.document)
    await isRefused(withNonce(honest, budget), '9:nonce-out-of-range', await minerPeer())
    await isRefused(withNonce(honest, -1), '9:nonce-out-of-range', await minerPeer())
  })

  test('a message with a wrong signature', async () => {
    const { result, miner, task } = honestWork()
    const liar = await stage.attacker()
    const stranger = past.identities.find(({ role }) => role === 'evaluator')!.keys
    await liar.hello(result.ticketId, result.taskId, stranger)
    await costsTheSender(stage, liar)

    const direct = await stage.attacker()
    const ready = { kind: 'READY' as const, taskId: result.taskId, sender: result.ticketId, sequence: 1, initialModelHash: '00'.repeat(32) }
    for (const { node } of stage.nodes) direct.network.send(node.peerId, signMessage(past.networkId, ready, stranger))
    await costsTheSender(stage, direct)

    const supervisor = stage.nodes.findIndex(({ role }) => role === 'supervisor')
    const forger = await stage.attacker()
    const message = Uint8Array.from(past.training.next.block.work.kind === 'task' ? past.training.next.block.work.result : [])
    message[message.length - 1]! ^= 1
    forger.network.send(stage.nodes[supervisor]!.node.peerId, message)
    await stage.until('the supervisor blames the sender', () => forger.scores()[supervisor]! < 0)
    expect(task.state).toBe('TRAINING')
    // The same words under the right key cost nothing.
    const honest = await stage.attacker()
    for (const { node } of stage.nodes) honest.network.send(node.peerId, signMessage(past.networkId, ready, miner))
    await honest.hello(result.ticketId, result.taskId, miner)
    await stage.until('somebody hears of it', () => stage.nodes.every(({ network }) => network.stats().framesReceived > 0))
    expect(honest.scores()).toEqual(stage.nodes.map(() => 0))
  })

  test('PAY_FOR_TASK with a bad checksum or a reserved byte that is not zero', async () => {
    const { brain } = stage.nodes[0]!
    const client = past.identities.find(({ role }) => role === 'client')!.keys
    const { document } = honestWork().task
    const wallet = { secret: client.walletSecret, publicKey: client.walletPublic }
    const { params } = brain.chain
    const { tx } = buildPayForTask(brain.chain.view(), wallet, params, document, 'ee'.repeat(32), params.minTxFee, new Set())
    expect(tx.outputs[0]!.amount).toBe(document.payment.fee + bondOf(params, document.payment.fee))
    const prevouts = tx.inputs.map(({ txid, index }) => brain.chain.view().coin(txid, index)!)
    const script = parseScript(tx.outputs[1]!.script)
    const record = script.kind === 'record' ? script.record : new Uint8Array(0)
    const withRecord = (bytes: Uint8Array): Tx =>
      signInputs(
        { ...tx, outputs: tx.outputs.map((output, index) => (index === 1 ? { ...output, script: recordScript(bytes) } : output)) },
        prevouts,
        client,
      )

    const checksum = Uint8Array.from(record)
    checksum[checksum.length - 1]! ^= 1
    const reserved = Array.from({ length: record.length - 4 }, (_, index) => {
      const bytes = Uint8Array.from(record)
      bytes[index]! ^= 1
      bytes.set(sha256d(bytes.subarray(0, bytes.length - 4)).subarray(0, 4), bytes.length - 4)
      return bytes
    }).filter((bytes) => {
      const verdict = checkRecord(bytes)
      return !verdict.ok && verdict.code === 'record-reserved'
    })
    expect(reserved.length).toBeGreaterThan(0)
    for (const [code, bytes] of [
      ['record-checksum', checksum],
      ['record-reserved', reserved.at(-1)!],
    ] as const) {
      const attacker = await stage.attacker()
      await attacker.network.publish('tx', encodeTx(withRecord(bytes)))
      await stage.until(`all refuse it with ${code}`, () =>
        stage.nodes.every((node) => (node.brain.status().counters[`transaction-refused:${code}`] ?? 0) > 0),
      )
      await costsTheSender(stage, attacker)
    }
    // The record as it was is welcome.
    const honest = await stage.attacker()
    await honest.network.publish('tx', encodeTx(withRecord(record)))
    await stage.until('the task waits for its block', () => stage.nodes.every((node) => node.brain.status().mempool > 0))
    expect(honest.scores()).toEqual(stage.nodes.map(() => 0))
  })

  test('64 MiB as a message and as a request, four times the limit as gossip', async () => {
    const huge = new Uint8Array(64 * 1024 * 1024)
    const direct = await stage.attacker()
    for (const { node } of stage.nodes) direct.network.send(node.peerId, huge)
    await costsTheSender(stage, direct)

    const asking = await stage.attacker()
    const asked = stage.nodes.map(({ node }) => asking.network.request(node.peerId, 'blocks', huge, { maxBytes: 1024, timeoutMs: 20_000 }))
    for (const outcome of await Promise.allSettled(asked)) expect(outcome.status).toBe('rejected')
    await costsTheSender(stage, asking)

    const gossiping = await stage.attacker()
    // The library refuses to write more than 4 MiB at once, so that is what gossip can be attacked with.
    await gossiping.network.publish('block', huge.subarray(0, 4 * defaultLimits.gossipBytes))
    await costsTheSender(stage, gossiping)
  })

  test('random bytes on every protocol, and on the bare socket', async () => {
    const direct = await stage.attacker()
    for (const { node } of stage.nodes) direct.network.send(node.peerId, randomBytes(300))
    await costsTheSender(stage, direct)
    for (const topic of ['tx', 'block', 'digest', 'task'] as const) {
      const attacker = await stage.attacker()
      await attacker.network.publish(topic, randomBytes(300))
      await costsTheSender(stage, attacker)
    }
    for (const service of ['blob', 'blocks', 'slots', 'mempool'] as const) {
      const attacker = await stage.attacker()
      for (const { node } of stage.nodes) {
        const answer = attacker.network.request(node.peerId, service, randomBytes(301), { maxBytes: 1024, timeoutMs: 5_000 })
        await expect(answer, service).rejects.toThrow()
      }
      await costsTheSender(stage, attacker)
    }
    for (const { node } of stage.nodes) {
      const port = Number(node.addresses[0]!.split('/')[4])
      const socket = connect(port, '127.0.0.1', () => socket.write(randomBytes(4096)))
      socket.on('error', () => {})
      await new Promise((resolve) => socket.on('close', resolve))
    }
  })

  test('a copy of a block that names another bundle does not stand in its way', async () => {
    const { honest } = honestWork()
    const liar = await stage.attacker()
    // Random bytes at an address of their own, which passes the cheap checks like the block itself: the address is in nothing signed.
    const id = await liar.publish({ ...honest, work: { ...honest.work, bundle: liar.serve(randomBytes(500)) } })
    await stage.until('the copy is a candidate', () =>
      stage.nodes.every(({ emitted }) => emitted.some(({ name, fields }) => name === 'block-checked' && fields.hash === printHash(id))),
    )
    expect(blockId(honest)).toBe(id)
  })

  test('and after all that the honest block is replayed and becomes the tip of every node', async () => {
    const { honest } = honestWork()
    const miner = await minerPeer()
    const id = await miner.publish(honest)
    await stage.until('the honest block is verified', () => stage.nodes.every(({ brain }) => brain.chain.tip().id === id))
    for (const { brain } of stage.nodes) expect(brain.chain.block(id)!.certificate).toHaveLength(3)
    expect(miner.scores()).toEqual(stage.nodes.map(() => 0))
  })
})

describe('when a task is settled', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(past, past.settling, ['verifier', 'verifier', 'verifier'])
  }, 60_000)
  afterAll(() => stage?.stop())

  test('a payout off by one unit is refused in gossip and in a block; the right one settles', async () => {
    const { block } = past.settling.next
    const { brain } = stage.nodes[0]!
    const [task] = brain.chain.view().tasks()
    const charge = block.transactions.find((tx) =>
      tx.inputs.some(({ txid, index }) => txid === task!.escrow.txid && index === task!.escrow.index),
    )!
    const evaluators = task!.evaluators.map((id) => keysOfTicket(past, brain.chain.view().ticket(id)!.vrfKey))
    /** One unit from the client to the first payee, or back, signed by every evaluator. */
    const forged = [1n, -1n].map((unit) => {
      const moved: Tx = {
        ...charge,
        outputs: charge.outputs.map((output, index) => {
          if (index === 1) return { ...output, amount: output.amount + unit }
          return index === charge.outputs.length - 1 ? { ...output, amount: output.amount - unit } : output
        }),
      }
      const digest = groupDigest(moved)
      const signature = bls.aggregateSignatures(evaluators.map(({ blsSecret }) => bls.sign(blsSecret, digest)))!
      return finishCharge(moved, { signers: 2 ** evaluators.length - 1, signature })
    })
    for (const [index, tx] of forged.entries()) {
      const attacker = await stage.attacker()
      await attacker.network.publish('tx', encodeTx(tx))
      await stage.until('all refuse the payout', () =>
        stage.nodes.every((node) => node.brain.status().counters['transaction-refused:charge-payouts'] === index + 1),
      )
      await costsTheSender(stage, attacker)

      const transactions = block.transactions.map((other) => (other === charge ? tx : other))
      const hashMerkleRoot = bytesToHex(bitcoinMerkleRoot(transactions.map((other) => hexToBytes(txId(other))))!)
      const maker = await stage.attacker()
      const id = await maker.publish({ ...block, transactions, header: { ...block.header, hashMerkleRoot } })
      await stage.until('all refuse the block', () => stage.nodes.every((node) => stage.refusals(node, id).length > 0))
      for (const node of stage.nodes) expect(stage.refusals(node, id)).toEqual(['3:charge-payouts'])
      await costsTheSender(stage, maker)
    }

    const honest = await stage.attacker()
    await honest.network.publish('tx', encodeTx(charge))
    await stage.until('the payout waits for its block', () => stage.nodes.every((node) => node.brain.status().mempool === 1))
    const id = await honest.publish(block)
    await stage.until('the settlement is verified', () => stage.nodes.every((node) => node.brain.chain.tip().id === id))
    for (const node of stage.nodes) expect(node.brain.chain.view().tasks()[0]!.state).toBe('SETTLED')
    expect(honest.scores()).toEqual(stage.nodes.map(() => 0))
  })
})
