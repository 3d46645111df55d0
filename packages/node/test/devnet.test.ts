import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseScript, txId } from '@pouw/primitives'
import { afterAll, expect, test } from 'vitest'
import { openLevelStore } from '../src/store/level-store.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

test('a devnet of real processes trains, settles and pays to the unit, and its model card verifies', { timeout: 200_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pouw-devnet-'))
  folders.push(folder)
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      'packages/node/bin/pouw.js',
      'devnet',
      'examples/tiny.yaml',
      '--evaluators',
      '2',
      '--exit-when',
      'settled',
      '--json',
      '--data-dir',
      folder,
    ],
    { cwd: root, maxBuffer: 64 << 20, timeout: 190_000 },
  )
  const summary = JSON.parse(stdout)
  expect(summary.status).toBe('SETTLED')
  expect(summary.processes).toBe(14)
  expect(summary.testAccuracy).toBeGreaterThan(0.9)
  for (const block of summary.blocks) {
    expect(block.verified, `block ${block.height}`).toBe(true)
    expect(block.verifiers.length, `block ${block.height}`).toBe(3)
  }
  expect(BigInt(summary.payoutTotal) + BigInt(summary.refundToClient)).toBe(BigInt(summary.escrowTotal))
  expect(summary.miners.every((miner: { paid: string }) => BigInt(miner.paid) > 0n)).toBe(true)
  const card = JSON.parse(await readFile(summary.modelCardFile, 'utf8'))
  expect(card.task.id).toBe(summary.taskId)
  expect(summary.bestModelFile).toBe(join(folder, 'client', 'models', summary.taskId, 'model.safetensors'))
  expect((await readFile(summary.bestModelFile)).length).toBeGreaterThan(4 * 4810)

  // Escrow in = payouts and refund out, from the raw transactions of another node's chain and nothing else.
  const store = await openLevelStore({ path: join(folder, 'verifier-1', 'chain'), sync: false })
  const transactions = (await store.load()).blocks.flatMap(({ block }) => block.transactions)
  await store.close()
  const escrows = transactions.flatMap((tx) =>
    tx.outputs.flatMap(({ amount, script }, index) => (parseScript(script).kind === 'escrow' ? [{ txid: txId(tx), index, amount }] : [])),
  )
  expect(escrows).toHaveLength(1)
  const [escrow] = escrows
  const spending = transactions.filter((tx) => tx.inputs.some(({ txid, index }) => txid === escrow!.txid && index === escrow!.index))
  expect(spending).toHaveLength(1)
  expect(spending[0]!.inputs).toHaveLength(1)
  expect(spending[0]!.outputs.reduce((sum, { amount }) => sum + amount, 0n)).toBe(escrow!.amount)
  expect(escrow!.amount).toBe(BigInt(summary.escrowTotal))

  // What a stranger does with the card: he reads the chain of another node than the client's, and of the genesis he knows himself.
  const verify = async (cardFile: string) =>
    promisify(execFile)(
      process.execPath,
      [
        'packages/node/bin/pouw.js',
        'verify',
        cardFile,
        '--data-dir',
        join(folder, 'verifier-1'),
        '--genesis',
        join(folder, 'genesis.json'),
        '--json',
      ],
      { cwd: root, timeout: 60_000 },
    )
  const verification = JSON.parse((await verify(summary.modelCardFile)).stdout)
  expect(verification.checks.filter((check: { ok: boolean }) => !check.ok)).toEqual([])
  expect(verification.ok).toBe(true)

  card.report.miners[0].accuracy = 1
  await writeFile(summary.modelCardFile, JSON.stringify(card))
  const refused = await verify(summary.modelCardFile).catch((error: { code: number; stdout: string }) => error)
  expect(refused).toMatchObject({ code: 1 })
  const reasons = JSON.parse(refused.stdout).checks.filter((check: { ok: boolean }) => !check.ok)
  expect(reasons.map((check: { name: string }) => check.name)).toEqual(['report', 'metrics', 'signature'])
})
