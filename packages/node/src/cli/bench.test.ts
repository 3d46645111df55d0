import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { run } from './bench.ts'

const bin = fileURLToPath(new URL('../../bin/pouw.js', import.meta.url))

function pouw(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, ...args], (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }))
  })
}

interface Row {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly must: number | null
  readonly met: boolean | null
  readonly skipped: string | null
}

/** What is on top of training is a difference of two times: of so short a run it may come out below zero. */
const isDifference = ({ name }: Row) => name.includes('protocol overhead')

test('bench iteration --json is one document of the promised shape', async () => {
  const { code, stdout, stderr } = await pouw('bench', 'iteration', '--json', '--quick')
  expect(code, stderr).toBe(0)
  const document = JSON.parse(stdout)
  expect(Object.keys(document)).toEqual(['machine', 'commit', 'rows'])
  expect(document.machine).toMatch(/ \d+ cores, node v\d/)
  expect([null, expect.stringMatching(/^[0-9a-f]{40}$/)]).toContainEqual(document.commit)
  const rows: Row[] = document.rows
  for (const row of rows) {
    expect(Object.keys(row)).toEqual(['name', 'value', 'unit', 'baseline', 'ratio', 'must', 'aim', 'met', 'skipped'])
    if (!isDifference(row)) expect(row.value, row.name).toBeGreaterThan(0)
    expect(row.skipped, row.name).toBeNull()
    // All bounds of this topic are bounds from above.
    expect(row.met, row.name).toBe(row.must === null ? null : row.value <= row.must)
  }
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
  const musts = rows.flatMap(({ name, unit, must }) => (must === null ? [] : [`${name} <= ${must} ${unit}`]))
  expect(musts).toEqual([
    "batch 128: protocol overhead over training, as a node's job and IT_RES <= 50 %",
    'batch 128: update map of 109386 parameters <= 0.1 ms',
    'batch 128: replay of that iteration <= 30 ms',
    "batch 1024: protocol overhead over training, as a node's job and IT_RES <= 10 %",
    'one try: SHA-256d of a header of 172 bytes <= 5 us',
  ])
})

test('bench engine races the other engines and says why it leaves one out', async () => {
  const { code, stdout, stderr } = await pouw('bench', 'engine', '--json', '--quick')
  expect(code, stderr).toBe(0)
  expect(stderr).toMatch(/TensorFlow\.js \d+\.\d+\.\d+, /)
  const rows: Row[] = JSON.parse(stdout).rows
  for (const row of rows) {
    if (row.skipped === null) expect(isDifference(row) || row.value >= 0, row.name).toBe(true)
    else expect([row.value, row.must, row.met, row.skipped.length > 0], row.name).toEqual([null, null, null, true])
    // A share of the machine is bounded from above, how many times as fast something is from below.
    const above = /^protocol overhead|^gpt .*: time with checkpoints/.test(row.name)
    if (row.must !== null) expect(row.met, row.name).toBe(above ? row.value <= row.must : row.value >= row.must)
  }
  const musts = rows.flatMap(({ name, unit, must }) => (must === null ? [] : [`${name} ${must} ${unit}`]))
  expect(musts).toEqual(
    expect.arrayContaining([
      'gemm n=256: share of the 128-bit peak 0.85 x',
      'gemm n=256: speed over tfjs-wasm 1.3 x',
      'step of mlp 784-256-10, batch 64: speed over tfjs-wasm 8 x',
    ]),
  )
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
})

test('people get a table on stdout, progress goes to stderr', async () => {
  const { code, stdout, stderr } = await pouw('bench', 'gemm', '--quick')
  expect(code, stderr).toBe(0)
  expect(stdout).toMatch(/^name +value +unit +baseline +ratio +must +aim +met$/m)
  expect(stdout).toMatch(/^gemm n=\d+ forward, .* GFLOP\/s .* >= 40 +>= 50 +(yes|NO)$/m)
  expect(stderr).toMatch(/^gemm \.\.\.$/m)
})

test('an unknown topic is wrong usage and shows the topics', async () => {
  const { code, stdout, stderr } = await pouw('bench', 'speed', '--json')
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain('there is no topic speed')
  expect(stderr).toContain('topics: gemm, engine, iteration, block, crypto, store, p2p')
})

test('without the checkout it refuses', async () => {
  await expect(run('gemm', {}, '/nowhere/bench/main.ts')).rejects.toThrow('/nowhere/bench/main.ts')
  await expect(run('gemm', {}, '/nowhere/bench/main.ts')).rejects.toMatchObject({ name: 'OperationError', code: 'not-found' })
})

test('Ctrl-C ends the command and its child', async () => {
  const command = spawn(process.execPath, [bin, 'bench', 'gemm'], { stdio: ['ignore', 'ignore', 'pipe'] })
  await saying(command, 'gemm ...')
  command.kill('SIGINT')
  const [code, signal] = await once(command, 'close')
  // `close` waits for stderr too, which the child holds open while it lives.
  expect([code, signal]).toEqual([130, null])
})

async function saying(command: ChildProcess, text: string): Promise<void> {
  let said = ''
  for await (const piece of command.stderr!.iterator({ destroyOnReturn: false })) {
    said += piece
    if (said.includes(text)) return
  }
  throw new Error(`it ended and said only: ${said}`)
}
