import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { drawWeights, importOnnx, mlp, model, saveModel } from '@pouw/training'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { seedPhrase } from '../devnet/plan.ts'
import { makeGenesis } from '../networks/genesis.ts'
import { writeGenesis } from '../networks/genesis-file.ts'

const bin = fileURLToPath(new URL('../../bin/pouw.js', import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pouw-cli-'))
})
afterAll(() => rm(folder, { recursive: true }))

function pouw(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, ...args], (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }))
  })
}

test('every command explains itself with an example', async () => {
  const { stdout, code } = await pouw('--help')
  expect(code).toBe(0)
  const commands = [...stdout.matchAll(/^ {2}([a-z]+) .*/gm)].map((match) => match[1]!).filter((name) => name !== 'help')
  expect(commands).toEqual(expect.arrayContaining(['devnet', 'node', 'init', 'conformance']))
  for (const command of commands) {
    const help = await pouw(command, '--help')
    expect(help.code, command).toBe(0)
    expect(help.stdout, command).toMatch(/Example:\n {2}\$ pouw /)
  }
})

test('wrong usage is exit code 2', async () => {
  const wrong = [
    ['fly'],
    ['devnet', '--miners', 'many'],
    ['devnet', '--exit-when', 'bored'],
    ['devnet', '--no-such-flag'],
    ['node'],
    ['conformance', 'no-such-suite', 'x'],
  ]
  for (const args of wrong) {
    const { code, stderr } = await pouw(...args)
    expect(code, args.join(' ')).toBe(2)
    expect(stderr, args.join(' ')).not.toBe('')
  }
})

test('what cannot be done is exit code 1 with a reason', async () => {
  const { code, stderr } = await pouw('node', '--config', join(folder, 'none.json'))
  expect([code, stderr]).toEqual([1, expect.stringContaining('none.json')])
})

test('conformance: 0 passed, 1 failed, 2 malformed, one document with --json', async () => {
  const file = join(folder, 'cases.json')
  const write = (out: object) => writeFile(file, JSON.stringify({ suite: 'target', cases: [{ id: 'g', in: { bits: 486604799 }, out }] }))
  await write({ target: '00000000ffff0000000000000000000000000000000000000000000000000000' })
  expect(await pouw('conformance', 'target', file)).toMatchObject({ code: 0, stdout: '1 passed, 0 failed\n' })
  const json = await pouw('conformance', 'target', file, '--json')
  expect(JSON.parse(json.stdout)).toMatchObject({
    suite: 'target',
    passed: 1,
    failed: 0,
    cases: [{ id: 'g', ok: true, got: { work: expect.any(String) } }],
  })
  await write({ target: '00' })
  const failed = await pouw('conformance', 'target', file)
  expect(failed.code).toBe(1)
  expect(failed.stdout).toMatch(/^g {2}target {2}expected "00" {2}got "0+ffff/)
  await writeFile(file, '{"suite":"target"}')
  expect(await pouw('conformance', 'target', file)).toMatchObject({ code: 2 })
})

test('export writes ONNX beside the model, or says what is wrong with it', async () => {
  const [inputs, classes] = [6, 3]
  const net = model(mlp({ inputs, hidden: [4], classes }))
  const weights = drawWeights(net, new Uint8Array(32), 3)
  const file = join(folder, 'model.safetensors')
  await writeFile(file, saveModel({ model: net, weights, statistics: new Float32Array(0), profile: 'f32' }))
  const { code, stdout } = await pouw('export', file)
  expect([code, stdout]).toEqual([0, `${join(folder, 'model.onnx')}: input [N, 6], output [N, 3], 43 parameters\n`])
  expect(importOnnx(await readFile(join(folder, 'model.onnx'))).weights).toEqual(weights)
  expect(await pouw('export', file, file)).toMatchObject({ code: 2 })
  expect(await pouw('export', join(folder, 'none'))).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot read the model') })
  const cut = join(folder, 'cut.safetensors')
  await writeFile(cut, (await readFile(file)).subarray(0, -4))
  expect(await pouw('export', cut)).toMatchObject({ code: 1, stderr: expect.stringContaining('within') })
})

test('init makes a folder that only its owner can read, and never twice', async () => {
  const genesis = join(folder, 'genesis.json')
  const roles = ['miner', 'verifier', 'verifier', 'verifier', 'verifier'] as const
  await writeGenesis(genesis, makeGenesis({ roles, seedPhrases: roles.map((_, i) => seedPhrase(5n, i)), nowS: 1 }))
  const dataDir = join(folder, 'mine')
  const first = await pouw('init', '--data-dir', dataDir, '--genesis', genesis, '--role', 'miner', '--json')
  expect(first.code).toBe(0)
  expect(JSON.parse(first.stdout).address).toMatch(/^dpouw1p/)
  const seed = await readFile(join(dataDir, 'seed'), 'utf8')
  expect(seed.trim().split(' ')).toHaveLength(12)
  expect((await stat(join(dataDir, 'seed'))).mode & 0o077).toBe(0)
  expect(await pouw('init', '--data-dir', dataDir, '--genesis', genesis)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('never written over'),
  })
  expect(await readFile(join(dataDir, 'seed'), 'utf8')).toBe(seed)
  expect(await pouw('init', '--data-dir', join(folder, 'x'), '--genesis', genesis, '--role', 'king')).toMatchObject({ code: 2 })
})
