/** The bought model as two files: its bytes, and a card that says where they come from and how to check it. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Brain } from '@pouw/protocol'
import { toJson } from './json.ts'
import { readSettlement, type Settlement } from './settlement.ts'

export interface DeliveredModel {
  readonly taskId: string
  readonly modelFile: string
  readonly cardFile: string
  readonly accuracy: number
  readonly settlement: Settlement
}

/**
 * Writes `<task>.model` (the preimage of the model hash: task, ticket, sequence, binary32 weights) and `<task>.card.json`.
 * Undefined until the task has settled and the model has arrived. Written beside and renamed: a file of that name is whole.
 */
export async function deliverModel(brain: Brain, folder: string): Promise<DeliveredModel | undefined> {
  const result = brain.result()
  const settlement = result && readSettlement(brain.chain, result.taskId, result.report)
  const task = result && brain.chain.view().task(result.taskId)
  const best = result?.report.miners.find((miner) => miner.rank === 1)
  if (!result || !settlement || !task || !best) return undefined

  const card = {
    format: 'pouw-model-card-1',
    network: brain.chain.networkId,
    genesis: brain.chain.genesisId,
    taskId: result.taskId,
    documentHash: task.record.documentHash,
    document: task.document,
    modelHash: result.modelHash,
    modelBytes: result.model.length,
    miner: best.ticket,
    accuracy: best.accuracy,
    loss: best.loss,
    settlement,
  }
  const modelFile = join(folder, `${result.taskId}.model`)
  const cardFile = join(folder, `${result.taskId}.card.json`)
  await mkdir(folder, { recursive: true })
  await writeWhole(modelFile, result.model)
  await writeWhole(cardFile, `${toJson(card, 2)}\n`)
  return { taskId: result.taskId, modelFile, cardFile, accuracy: best.accuracy, settlement }
}

async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${file}.part`, content)
  await rename(`${file}.part`, file)
}
