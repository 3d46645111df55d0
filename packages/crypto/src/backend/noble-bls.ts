import { mulAddUnsafe } from '@noble/curves/abstract/curve.js'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import type { BlsArithmetic } from '../bls-arithmetic.ts'

const G1 = bls12_381.G1.Point
const G2 = bls12_381.G2.Point
const { Fp12 } = bls12_381.fields

type G1Point = typeof G1.BASE
type G2Point = typeof G2.BASE

/** A point of G2 and what a pairing needs of it. */
interface NobleMessage {
  readonly point: G2Point
  readonly lines: ReturnType<typeof bls12_381.utils.calcPairingPrecomputes>
}

/** BLS12-381 in plain JavaScript. */
export function createNobleBls(): BlsArithmetic<G1Point, G2Point, NobleMessage> {
  return {
    publicKey: (secretKey) => G1.BASE.multiply(G1.Fn.fromBytes(secretKey)).toBytes(),
    parsePublicKey: (bytes) => (bytes.length === 48 ? parse(() => G1.fromBytes(bytes)) : undefined),
    sumPublicKeys: (keys) => finite(keys.reduce((sum, key) => sum.add(key), G1.ZERO)),
    parseSignature,
    sumSignatures,
    combineSignatures: (signatures, scalars) => finite(mulAddUnsafe(G2, [...signatures], [...scalars]))?.toBytes(),
    hashToCurve: (message, tag) => {
      const point = bls12_381.G2.hashToCurve(message, { DST: tag })
      return { point, lines: bls12_381.utils.calcPairingPrecomputes(point) }
    },
    sign: (secretKey, message) => message.point.multiply(G1.Fn.fromBytes(secretKey)).toBytes(),
    pairingsAgree: (key, message, signature) => {
      const negated = key.negate().toAffine()
      const generator = G1.BASE.toAffine()
      const product = bls12_381.millerLoopBatch([
        [message.lines, negated.x, negated.y],
        [bls12_381.utils.calcPairingPrecomputes(signature), generator.x, generator.y],
      ])
      return Fp12.eql(Fp12.finalExponentiate(product), Fp12.ONE)
    },
  }
}

function parseSignature(bytes: Uint8Array): G2Point | undefined {
  return bytes.length === 96 ? parse(() => G2.fromBytes(bytes)) : undefined
}

function sumSignatures(signatures: readonly Uint8Array[]): Uint8Array | undefined {
  let sum = G2.ZERO
  for (const bytes of signatures) {
    const signature = parseSignature(bytes)
    if (signature === undefined) return undefined
    sum = sum.add(signature)
  }
  return finite(sum)?.toBytes()
}

// The library checks curve and subgroup while reading, but lets infinity pass.
function parse<Point extends { is0(): boolean }>(read: () => Point): Point | undefined {
  try {
    return finite(read())
  } catch {
    return undefined
  }
}

function finite<Point extends { is0(): boolean }>(point: Point): Point | undefined {
  return point.is0() ? undefined : point
}
