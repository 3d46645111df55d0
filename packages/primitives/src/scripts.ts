/** Output scripts: keys (P2TR shape), escrow and stake (our own witness versions, A19), the record carrier (4.2), the witness commitment. */
import { bytesToHex, concatBytes, hexToBytes, sha256d } from '@pouw/crypto'
import type { Hex } from './codec.ts'

const OP_1 = 0x51
const OP_2 = 0x52
const OP_3 = 0x53
const PUSH_32 = 0x20
/** OP_RETURN OP_STRUCT OP_PUSHDATA1 160; spec 4.2. */
const RECORD_PREFIX = Uint8Array.of(0x6a, 0xc0, 0x4c, 0xa0)
/** OP_RETURN push-36 aa21a9ed; BIP141. */
const COMMITMENT_PREFIX = Uint8Array.of(0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed)

export type ParsedScript =
  | { readonly kind: 'key' | 'escrow' | 'stake'; readonly key: Hex }
  | { readonly kind: 'record'; readonly record: Uint8Array }
  | { readonly kind: 'commitment'; readonly hash: Hex }
  | { readonly kind: 'other' }

function program(version: number, key: Hex): Uint8Array {
  return concatBytes(Uint8Array.of(version, PUSH_32), hexToBytes(key))
}

/** Pays an x-only key: OP_1 <32 bytes>. */
export function payToKey(key: Hex): Uint8Array {
  return program(OP_1, key)
}

/** A ticket's stake: witness version 3, program = owner's x-only key. */
export function stakeScript(owner: Hex): Uint8Array {
  return program(OP_3, owner)
}

/** A task's escrow: witness version 2, program = client's x-only key. */
export function escrowScript(client: Hex): Uint8Array {
  return program(OP_2, client)
}

/** Carries a 160-byte record. @throws RangeError for another length */
export function recordScript(record: Uint8Array): Uint8Array {
  if (record.length !== 160) throw new RangeError(`expected a record of 160 bytes, received ${record.length}`)
  return concatBytes(RECORD_PREFIX, record)
}

/** BIP141 witness commitment: SHA256d(witness root || 32 zero bytes). */
export function witnessCommitmentScript(witnessRoot: Hex): Uint8Array {
  return concatBytes(COMMITMENT_PREFIX, sha256d(hexToBytes(witnessRoot), new Uint8Array(32)))
}

export function parseScript(script: Uint8Array): ParsedScript {
  if (script.length === 34 && script[1] === PUSH_32) {
    const key = bytesToHex(script.subarray(2))
    if (script[0] === OP_1) return { kind: 'key', key }
    if (script[0] === OP_2) return { kind: 'escrow', key }
    if (script[0] === OP_3) return { kind: 'stake', key }
  }
  if (script.length === 164 && startsWith(script, RECORD_PREFIX)) return { kind: 'record', record: script.subarray(4) }
  if (script.length === 38 && startsWith(script, COMMITMENT_PREFIX)) return { kind: 'commitment', hash: bytesToHex(script.subarray(6)) }
  return { kind: 'other' }
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, index) => bytes[index] === byte)
}
