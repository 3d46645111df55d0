/** Scenarios as people write them: YAML with the sizes, the network, and a task by its file. */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { OperationError } from '@pouw/primitives'
import { FOLLOWING_SUPERVISOR, LEADING_SUPERVISOR, type Restart, type Scenario } from '@pouw/sim'
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
  let plain: unknown
  try {
    plain = parse(content, { schema: 'core' })
  } catch (cause) {
    throw new OperationError('refused', `${file}: ${(cause as Error).message}`, { cause })
  }
  const fields = (value: unknown, name: string, known: readonly string[]): Record<string, unknown> => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fail(`${name}: expected fields, ${known.join(', ')}`)
    for (const key of Object.keys(value))
      if (!known.includes(key)) throw fail(`${name}: there is no field ${key}, only ${known.join(', ')}`)
    return value as Record<string, unknown>
  }
  const number = (owner: Record<string, unknown>, key: string, least: number): number => {
    const value = owner[key]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least)
      throw fail(`${key}: expected a whole number of at least ${least}`)
    return value
  }
  const optional = (owner: Record<string, unknown>, key: string, least: number): number | undefined =>
    owner[key] === undefined ? undefined : number(owner, key, least)

  const scenario = fields(plain, 'scenario', SCENARIO_FIELDS)
  if (typeof scenario.name !== 'string' || typeof scenario.task !== 'string') throw fail('expected a name and the path of a task')
  const sizes = fields(scenario.nodes, 'nodes', ['miners', 'supervisors', 'verifiers', 'evaluators'])
  const nodes = {
    miners: number(sizes, 'miners', 3),
    supervisors: number(sizes, 'supervisors', 4),
    verifiers: number(sizes, 'verifiers', 4),
    evaluators: number(sizes, 'evaluators', 1),
  }
  const latency = fields(scenario.latency, 'latency', ['minMs', 'maxMs'])
  const latencyMs = [number(latency, 'minMs', 0), number(latency, 'maxMs', 0)] as const
  if (latencyMs[0] > latencyMs[1]) throw fail('latency: minMs is above maxMs')
  const task = await readTask(join(dirname(file), scenario.task))
  if (task.ml.dataset.format !== 'synthetic') throw fail('the simulator trains on synthetic data only')
  const flopsPerTry = optional(scenario, 'flopsPerTry', 1)
  const fillerPauseMs = optional(scenario, 'fillerPauseMs', 1)
  const forkDepthMax = optional(scenario, 'forkDepthMax', 0)
  return {
    name: scenario.name,
    nodes,
    // The virtual network's slots are the scenario's, not those of the devnet example.
    task: { ...task, workers: { ...task.workers, slotMs: number(scenario, 'slotMs', 50) } },
    latencyMs,
    limitS: number(scenario, 'limitS', 1),
    spacingS: number(scenario, 'spacingS', 1),
    iterationMs: number(scenario, 'iterationMs', 1),
    ...(flopsPerTry !== undefined && { flopsPerTry }),
    ...(fillerPauseMs !== undefined && { fillerPauseMs }),
    ...(forkDepthMax !== undefined && { forkDepthMax }),
    restarts: restarts(scenario.restarts ?? []),
  }

  function restarts(list: unknown): Restart[] {
    if (!Array.isArray(list)) throw fail('restarts: expected a list')
    const names = new Set([
      ...Object.entries({
        miner: nodes.miners,
        verifier: nodes.verifiers,
        supervisor: nodes.supervisors,
        evaluator: nodes.evaluators,
      }).flatMap(([role, count]) => Array.from({ length: count }, (_, index) => `${role}-${index + 1}`)),
      'client',
      LEADING_SUPERVISOR,
      FOLLOWING_SUPERVISOR,
    ])
    return list.map((item) => {
      const restart = fields(item, 'restarts', ['node', 'atS', 'since', 'downS', 'afterEffects'])
      const { node, since } = restart
      if (typeof node !== 'string' || !names.has(node)) throw fail(`restarts: there is no node ${node}`)
      if (since !== undefined && !PHASES.includes(since as string)) throw fail(`restarts: since is one of ${PHASES.join(', ')}`)
      if (node.endsWith('ing-supervisor') && since !== 'TRAINING' && since !== 'EVALUATING' && since !== 'SETTLED')
        throw fail(`restarts: who is the ${node} shows only since: TRAINING`)
      const atS = number(restart, 'atS', 0)
      const afterEffects = optional(restart, 'afterEffects', 0)
      return {
        node,
        atS,
        downS: number(restart, 'downS', 1),
        ...(since !== undefined && { since: since as string }),
        ...(afterEffects !== undefined && { afterEffects }),
      }
    })
  }
}

const SCENARIO_FIELDS = [
  'name',
  'nodes',
  'task',
  'latency',
  'limitS',
  'spacingS',
  'iterationMs',
  'slotMs',
  'flopsPerTry',
  'fillerPauseMs',
  'forkDepthMax',
  'restarts',
]

const PHASES = ['DEFINED', 'KEYED', 'TRAINING', 'EVALUATING', 'SETTLED']
