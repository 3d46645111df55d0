/**
 * The bought model as two files: `model.safetensors`, and a card that says where it comes from, so that anybody can check every word of it
 * against the chain (`pouw verify`).
 */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Genesis, genesisBlock } from '@pouw/chain'
import { bytesToHex, concatBytes, schnorrSign, sha256, sha256Hex, utf8 } from '@pouw/crypto'
import { bf16Numbers, type Hex, modelNumbers, modelParams, printHash } from '@pouw/primitives'
import type { Brain } from '@pouw/protocol'
import { encodeSafetensors, openModel } from '@pouw/training'
import { toJson } from './json.ts'
import { formatGenesis } from './networks/genesis-file.ts'
import { readSettlement, type Settlement } from './settlement.ts'
import { asJson, type Claims, claimsOf } from './verify/claims.ts'

export const CARD_FORMAT = 'pouw-model-card'
export const CARD_VERSION = 2
export const MODEL_FILE = 'model.safetensors'
export const CARD_FILE = 'model-card.json'

/** How to read the card without this program; part of what is signed. */
export const CARD_NOTATION = {
  ids: 'lower-case hex; ids of blocks and transactions are printed with their bytes reversed, as in Bitcoin, everything else as it is',
  amounts: 'decimal strings in base units',
  modelHash: 'SHA-256(task id || ticket id || u32 little-endian sequence || all tensors of the file, binary32 little-endian)',
  signature:
    'BIP340 by task.client over SHA-256("POUW-MODEL-CARD-v1" || the card without the field signature, as canonical JSON of RFC 8785 in UTF-8)',
} as const

export interface ModelCard extends Omit<Claims, 'data'> {
  readonly format: typeof CARD_FORMAT
  readonly version: typeof CARD_VERSION
  readonly notation: typeof CARD_NOTATION
  readonly network: {
    /** First 4 bytes of the genesis id, unreversed. */
    readonly id: Hex
    readonly genesisId: string
    /** The genesis file, whole: the card stands alone. */
    readonly genesis: unknown
    /** A hint where the chain was served when the card was written: multiaddrs. */
    readonly peers: readonly string[]
  }
  /** The commitments of all segments; their root is on the chain. */
  readonly data: Claims['data'] & { readonly segments: readonly Hex[] }
  readonly model: {
    readonly file: typeof MODEL_FILE
    readonly bytes: number
    readonly sha256: Hex
    /** Whose model it is, and the sequence that its hash takes. */
    readonly ticket: Hex
    readonly sequence: number
    readonly hash: Hex
    readonly parameters: number
    readonly accuracy: number
    readonly loss: number
  }
  /** 64 bytes, see the notation. */
  readonly signature: string
}

export interface Delivery {
  readonly genesis: Genesis
  /** The client's wallet key: owner of the task's escrow. */
  readonly walletSecret: Uint8Array
  /** Multiaddrs under which the chain can be asked for. */
  readonly peers: readonly string[]
  /** The files go to `<folder>/<task id>/`. */
  readonly folder: string
}

export interface DeliveredModel {
  readonly taskId: string
  readonly modelFile: string
  readonly cardFile: string
  /** On the test segments; accuracy is 0 where the loss has no classes. */
  readonly loss: number
  readonly accuracy: number
  readonly settlement: Settlement
  /** Id of the block that settled the task: while it is on the best chain, so is everything that the card tells. */
  readonly settledIn: Hex
}

/**
 * Writes model and card. Undefined until the task has settled and the model has arrived.
 * Written beside and renamed, the card last: a file of that name is whole, and a card has its model.
 */
export async function deliverModel(brain: Brain, delivery: Delivery): Promise<DeliveredModel | undefined> {
  const made = makeCard(brain, delivery)
  const result = brain.result()
  const settlement = result && readSettlement(brain.chain, result.taskId, result.report)
  const settledIn = settlement && brain.chain.at(settlement.height)?.id
  if (!made || !settlement || settledIn === undefined) return undefined
  const { card, model } = made
  const folder = join(delivery.folder, card.task.id)
  const modelFile = join(folder, MODEL_FILE)
  const cardFile = join(folder, CARD_FILE)
  await mkdir(folder, { recursive: true })
  await writeWhole(modelFile, model)
  await writeWhole(cardFile, `${toJson(card, 2)}\n`)
  return { taskId: card.task.id, modelFile, cardFile, loss: card.model.loss, accuracy: card.model.accuracy, settlement, settledIn }
}

/** The card and the bytes of the file it speaks of. Undefined until the task has settled and the model has arrived. */
export function makeCard(
  brain: Brain,
  { genesis, walletSecret, peers }: Omit<Delivery, 'folder'>,
): { readonly card: ModelCard; readonly model: Uint8Array } | undefined {
  const result = brain.result()
  const task = result && brain.chain.view().task(result.taskId)
  const claims = result && claimsOf(brain.chain, result.taskId)
  const state = task && openModel(result.model, modelNumbers(task.document), bf16Numbers(task.document))
  const best = result?.report.miners.find((miner) => miner.rank === 1)
  if (!result || !task || !claims || !state || !best) return undefined

  const { id, networkId } = genesisBlock(genesis)
  const model = encodeSafetensors(task.document, state)
  const unsigned: Omit<ModelCard, 'signature'> = asJson({
    format: CARD_FORMAT,
    version: CARD_VERSION,
    notation: CARD_NOTATION,
    network: { id: networkId, genesisId: printHash(id), genesis: JSON.parse(formatGenesis(genesis)), peers },
    ...claims,
    data: { ...claims.data, segments: result.commitments },
    model: {
      file: MODEL_FILE,
      bytes: model.length,
      sha256: sha256Hex(model),
      ticket: best.ticket,
      sequence: state.sequence,
      hash: result.modelHash,
      parameters: modelParams(task.document),
      accuracy: best.accuracy,
      loss: best.loss,
    },
  })
  return { card: { ...unsigned, signature: bytesToHex(schnorrSign(cardDigest(unsigned), walletSecret)) }, model }
}

/** What the client signs: everything but the signature itself. @throws RangeError for nesting that no card has */
export function cardDigest(card: object): Uint8Array {
  const { signature: _, ...signed } = card as { signature?: unknown }
  return sha256(concatBytes(utf8('POUW-MODEL-CARD-v1'), utf8(canonicalJson(signed))))
}

/** RFC 8785: keys in the order of their UTF-16 units, no spaces, numbers and strings as ECMAScript prints them. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonicalJson(entry)}`).join()}}`
}

async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${file}.part`, content)
  await rename(`${file}.part`, file)
}
