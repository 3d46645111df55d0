/** Scenarios as people write them: YAML with the sizes, the network, and a task by its file. */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { OperationError } from '@pouw/primitives'
import type { Scenario } from '@pouw/sim'
import { parse } from 'yaml'
import { readTask } from '../data/read-task.ts'

/** @throws OperationError `not-found` or `refused`, naming the file and the field */
export async function readScenario(file: string): Promise<Scenario> {
  let content: string
  try {
    content = await readFile(file, 'utf8')
  } catch (cause) {
    throw new OperationError('not-found', `cannot read the scenario ${file}`, { cause })
  }
  const fail = (message: string) => new OperationError('refused', `${file}: ${message}`)
  const plain = parse(content, { schema: 'core' }) as Record<string, unknown>
  const number = (owner: unknown, key: string, least: number): number => {
    const value = (owner as Record<string, unknown> | undefined)?.[key]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least)
      throw fail(`${key}: expected a whole number of at least ${least}`)
    return value
  }
  if (typeof plain?.name !== 'string' || typeof plain.task !== 'string') throw fail('expected a name and the path of a task')
  const task = await readTask(join(dirname(file), plain.task))
  if (task.ml.dataset.format !== 'synthetic') throw fail('the simulator trains on synthetic data only')
  return {
    name: plain.name,
    nodes: {
      miners: number(plain.nodes, 'miners', 3),
      supervisors: number(plain.nodes, 'supervisors', 4),
      verifiers: number(plain.nodes, 'verifiers', 4),
      evaluators: number(plain.nodes, 'evaluators', 1),
    },
    // The virtual network's slots are the scenario's, not those of the devnet example.
    task: { ...task, workers: { ...task.workers, slotMs: number(plain, 'slotMs', 50) } },
    latencyMs: [number(plain.latency, 'minMs', 0), number(plain.latency, 'maxMs', 0)],
    limitS: number(plain, 'limitS', 1),
    spacingS: number(plain, 'spacingS', 1),
    iterationMs: number(plain, 'iterationMs', 1),
  }
}
