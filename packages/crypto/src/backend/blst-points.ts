import { aggregateSignatures, PublicKey, SecretKey, Signature } from '@chainsafe/blst'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import type { BlsPoints, G1Point, G2Point } from '../bls-points.ts'
import { bytesToHex } from '../bytes.ts'

const G1 = bls12_381.G1.Point
const G2 = bls12_381.G2.Point
const Fp2 = bls12_381.fields.Fp2

const INFINITY_FLAG = 0x40

/**
 * BLS12-381 points by blst: square roots and subgroup checks, the dear part of reading a point, are native.
 * The binding fixes the message tag of another network, so hashing to the curve and pairing stay in shared code.
 */
export function createBlstPoints(): BlsPoints {
  return {
    publicKey: (secretKey) => ownBytes(SecretKey.fromBytes(secretKey).toPublicKey().toBytes()),
    parsePublicKey,
    parseSignature,
    sumSignatures,
  }
}

// The binding would also read the uncompressed form, so the length is checked before.
function parsePublicKey(bytes: Uint8Array): G1Point | undefined {
  if (bytes.length !== 48) return undefined
  const affine = attempt(() => PublicKey.fromBytes(bytes, true).toBytes(false))
  return affine && G1.fromAffine({ x: readInteger(affine, 0), y: readInteger(affine, 48) })
}

function parseSignature(bytes: Uint8Array): G2Point | undefined {
  const affine = readSignature(bytes)?.toBytes(false)
  if (affine === undefined) return undefined
  return G2.fromAffine({
    x: Fp2.fromBigTuple([readInteger(affine, 48), readInteger(affine, 0)]),
    y: Fp2.fromBigTuple([readInteger(affine, 144), readInteger(affine, 96)]),
  })
}

function sumSignatures(signatures: readonly Uint8Array[]): Uint8Array | undefined {
  const points: Signature[] = []
  for (const bytes of signatures) {
    const point = readSignature(bytes)
    if (point === undefined) return undefined
    points.push(point)
  }
  const sum = ownBytes(aggregateSignatures(points, false).toBytes())
  return sum[0]! & INFINITY_FLAG ? undefined : sum
}

function readSignature(bytes: Uint8Array): Signature | undefined {
  return bytes.length === 96 ? attempt(() => Signature.fromBytes(bytes, true, true)) : undefined
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function readInteger(bytes: Uint8Array, offset: number): bigint {
  return BigInt(`0x${bytesToHex(bytes.subarray(offset, offset + 48))}`)
}

function ownBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}
