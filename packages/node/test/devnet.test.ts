import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'

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
  expect((await readFile(summary.bestModelFile)).length).toBeGreaterThan(4 * 2410)

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
