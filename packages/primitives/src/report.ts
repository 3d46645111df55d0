/** The evaluators' report (A21): what the settlement pays for, attached to CHARGE_FOR_TASK. */
import * as P from 'micro-packed'
import { type Coder, decodeStrict, finite32, type Hex, hash32, listOf } from './codec.ts'
import { LIMITS } from './limits.ts'

export interface Report {
  /** Slots of the whole history. */
  readonly slots: number
  /** By selection rank. */
  readonly miners: readonly {
    readonly ticket: Hex
    /** From 1; 0 = unpaid. */
    readonly rank: number
    /** Recorded IT_RES. */
    readonly recorded: number
    readonly modelHash: Hex
    readonly loss: number
    readonly accuracy: number
  }[]
  readonly supervisors: readonly { readonly ticket: Hex; readonly signed: number }[]
  readonly evaluators: readonly Hex[]
}

const short = <T>(item: Coder<T>) => P.array(P.U8, item)

const coder = P.struct({
  slots: P.U32LE,
  miners: listOf(
    P.struct({ ticket: hash32, rank: P.U16LE, recorded: P.U32LE, modelHash: hash32, loss: finite32, accuracy: finite32 }),
    1024,
  ),
  supervisors: short(P.struct({ ticket: hash32, signed: P.U32LE })),
  evaluators: short(hash32),
})

export function encodeReport(report: Report): Uint8Array {
  return coder.encode(report as never)
}

export function decodeReport(bytes: Uint8Array): Report | undefined {
  return decodeStrict(coder, bytes, LIMITS.reportBytes)
}

const lengthCoder = P.struct({ report: coder, salts: P.array(null, P.bytes(32)) })

/** Attachment of 07: report || one 32-byte salt per drawn evaluator (zero = did not commit). */
export function encodeSettlement(report: Report, salts: readonly Uint8Array[]): Uint8Array {
  return lengthCoder.encode({ report, salts: [...salts] } as never)
}

/** Undefined unless there is exactly one salt per evaluator. */
export function decodeSettlement(bytes: Uint8Array): { readonly report: Report; readonly salts: readonly Uint8Array[] } | undefined {
  const decoded = decodeStrict(lengthCoder, bytes, LIMITS.reportBytes)
  return decoded && decoded.salts.length === decoded.report.evaluators.length ? decoded : undefined
}
