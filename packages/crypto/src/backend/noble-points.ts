import { bls12_381 } from '@noble/curves/bls12-381.js'
import type { BlsPoints, G1Point, G2Point } from '../bls-points.ts'

const G1 = bls12_381.G1.Point
const G2 = bls12_381.G2.Point

/** BLS12-381 points by plain JavaScript. */
export function createNoblePoints(): BlsPoints {
  return { publicKey: (secretKey) => G1.BASE.multiply(G1.Fn.fromBytes(secretKey)).toBytes(), parsePublicKey, parseSignature, sumSignatures }
}

function parsePublicKey(bytes: Uint8Array): G1Point | undefined {
  return bytes.length === 48 ? parse(() => G1.fromBytes(bytes)) : undefined
}

function parseSignature(bytes: Uint8Array): G2Point | undefined {
  return bytes.length === 96 ? parse(() => G2.fromBytes(bytes)) : undefined
}

// The library checks curve and subgroup while reading, but lets infinity pass.
function parse<Point extends { is0(): boolean }>(read: () => Point): Point | undefined {
  try {
    const point = read()
    return point.is0() ? undefined : point
  } catch {
    return undefined
  }
}

function sumSignatures(signatures: readonly Uint8Array[]): Uint8Array | undefined {
  let sum = G2.ZERO
  for (const bytes of signatures) {
    const signature = parseSignature(bytes)
    if (signature === undefined) return undefined
    sum = sum.add(signature)
  }
  return sum.is0() ? undefined : sum.toBytes()
}
