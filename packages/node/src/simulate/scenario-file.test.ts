import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { readScenario } from './scenario-file.ts'

const examples = fileURLToPath(new URL('../../../../examples/', import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pouw-scenario-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('the examples are scenarios', async () => {
  const happy = await readScenario(join(examples, 'happy-path.yaml'))
  expect(happy.nodes).toEqual({ miners: 3, supervisors: 4, verifiers: 4, evaluators: 2 })
  expect(happy.task.workers.slotMs).toBe(1500)
  expect(happy.restarts).toEqual([])
  const { restarts } = await readScenario(join(examples, 'restarts.yaml'))
  expect(restarts?.map(({ node }) => node)).toEqual(['miner-1', 'following-supervisor', 'verifier-1', 'leading-supervisor', 'client'])
})

test('what is wrong in a scenario is named with its file', async () => {
  const plain = {
    name: 'x',
    nodes: { miners: 3, supervisors: 4, verifiers: 4, evaluators: 2 },
    task: 'tiny.yaml',
    latency: { minMs: 5, maxMs: 80 },
    limitS: 60,
    spacingS: 20,
    iterationMs: 1500,
    slotMs: 1500,
  }
  const file = join(folder, 'scenario.yaml')
  const wrong: [string, Record<string, unknown>, RegExp][] = [
    ['no name', { name: undefined }, /expected a name/],
    ['a field that is not there', { speed: 3 }, /no field speed/],
    ['two miners', { nodes: { ...plain.nodes, miners: 2 } }, /miners: expected a whole number of at least 3/],
    ['nodes that are none', { nodes: 14 }, /nodes: expected fields/],
    ['latency upside down', { latency: { minMs: 80, maxMs: 5 } }, /minMs is above maxMs/],
    ['half a millisecond', { iterationMs: 0.5 }, /iterationMs/],
    ['restart of nobody', { restarts: [{ node: 'miner-4', atS: 1, downS: 1 }] }, /no node miner-4/],
    ['restart in no phase', { restarts: [{ node: 'client', since: 'LUNCH', atS: 1, downS: 1 }] }, /since is one of/],
    ['a leader before there is one', { restarts: [{ node: 'leading-supervisor', atS: 1, downS: 1 }] }, /since: TRAINING/],
    ['restarts that are no list', { restarts: 'often' }, /expected a list/],
  ]
  await copyFile(join(examples, 'tiny.yaml'), join(folder, 'tiny.yaml'))
  await writeFile(file, stringify(plain))
  expect((await readScenario(file)).name).toBe('x')
  for (const [label, change, message] of wrong) {
    await writeFile(file, stringify({ ...plain, ...change }))
    await expect(readScenario(file), label).rejects.toThrow(message)
    await expect(readScenario(file), label).rejects.toMatchObject({ code: 'refused' })
  }
  await writeFile(file, 'name: [')
  await expect(readScenario(file)).rejects.toMatchObject({ code: 'refused' })
  await expect(readScenario(join(folder, 'absent.yaml'))).rejects.toMatchObject({ code: 'not-found' })
})
