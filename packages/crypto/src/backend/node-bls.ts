import { aggregateSignatures, PublicKey, SecretKey, Signature } from '@chainsafe/blst'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import type { BlsArithmetic } from '../bls-arithmetic.ts'
import { FP_SIZE, FR_SIZE, G1_SIZE, G2_SIZE, GT_SIZE, mcl } from './mcl.ts'

/** A point in mcl's own form, copied out of its memory: the collector frees it, and memory holds nothing between calls. */
type G1Image = Uint8Array
type G2Image = Uint8Array

const INFINITY_FLAG = 0x40
const { Fr } = bls12_381.fields

/**
 * BLS12-381 by two libraries. blst reads, checks and adds points, four times as fast as mcl, but its binding
 * fixes the message tag of another network; so mcl hashes to the curve, signs and pairs.
 */
export function createNodeBls(): BlsArithmetic<G1Image, G2Image, G2Image> {
  return {
    publicKey: (secretKey) => new Uint8Array(SecretKey.fromBytes(secretKey).toPublicKey().toBytes()),
    parsePublicKey,
    sumPublicKeys,
    parseSignature,
    sumSignatures,
    combineSignatures,
    hashToCurve,
    sign,
    pairingsAgree,
  }
}

// Fixed places in mcl's memory, enough for all but messages and combinations.
const input = allocate(4 * FP_SIZE)
const scalar = allocate(FR_SIZE)
/** Two points each, side by side, as the product of pairings reads them; the first of G1 is always minus the generator. */
const pairG1 = allocate(2 * G1_SIZE)
const pairG2 = allocate(2 * G2_SIZE)
const target = allocate(GT_SIZE)
const pointG1 = pairG1 + G1_SIZE
const pointG2 = pairG2
const otherG1 = allocate(G1_SIZE)
const otherG2 = pairG2 + G2_SIZE

writeG1(pairG1, bls12_381.G1.Point.BASE.negate().toBytes(false))

// The binding would also read the uncompressed form, so the length is checked before.
function parsePublicKey(bytes: Uint8Array): G1Image | undefined {
  if (bytes.length !== 48) return undefined
  const affine = attempt(() => PublicKey.fromBytes(bytes, true).toBytes(false))
  if (affine === undefined) return undefined
  writeG1(pointG1, affine)
  return copyOut(pointG1, G1_SIZE)
}

function sumPublicKeys(keys: readonly G1Image[]): G1Image | undefined {
  copyIn(pointG1, keys[0]!)
  for (let i = 1; i < keys.length; i++) {
    copyIn(otherG1, keys[i]!)
    mcl._mclBnG1_add(pointG1, pointG1, otherG1)
  }
  if (mcl._mclBnG1_isZero(pointG1) === 1) return undefined
  return copyOut(pointG1, G1_SIZE)
}

function parseSignature(bytes: Uint8Array): G2Image | undefined {
  const affine = readSignature(bytes)?.toBytes(false)
  if (affine === undefined) return undefined
  copyIn(input, affine)
  // The encoding has the coefficient of i first, memory has it second.
  setFp(pointG2, 1)
  setFp(pointG2 + FP_SIZE, 0)
  setFp(pointG2 + 2 * FP_SIZE, 3)
  setFp(pointG2 + 3 * FP_SIZE, 2)
  mcl._mclBnFp_setInt32(pointG2 + 4 * FP_SIZE, 1)
  mcl._mclBnFp_setInt32(pointG2 + 5 * FP_SIZE, 0)
  return copyOut(pointG2, G2_SIZE)
}

function sumSignatures(signatures: readonly Uint8Array[]): Uint8Array | undefined {
  const points: Signature[] = []
  for (const bytes of signatures) {
    const point = readSignature(bytes)
    if (point === undefined) return undefined
    points.push(point)
  }
  const sum = new Uint8Array(aggregateSignatures(points, false).toBytes())
  return sum[0]! & INFINITY_FLAG ? undefined : sum
}

function combineSignatures(signatures: readonly G2Image[], scalars: readonly bigint[]): Uint8Array | undefined {
  const count = signatures.length
  const points = allocate(count * (G2_SIZE + FR_SIZE))
  const factors = points + count * G2_SIZE
  try {
    for (let i = 0; i < count; i++) {
      copyIn(points + i * G2_SIZE, signatures[i]!)
      setFr(factors + i * FR_SIZE, Fr.toBytes(scalars[i]!))
    }
    mcl._mclBnG2_mulVec(pointG2, points, factors, count)
  } finally {
    mcl._free(points)
  }
  return mcl._mclBnG2_isZero(pointG2) === 1 ? undefined : serialize(pointG2)
}

function hashToCurve(message: Uint8Array, tag: Uint8Array): G2Image {
  const address = allocate(message.length + tag.length)
  try {
    copyIn(address, message)
    copyIn(address + message.length, tag)
    const error = mcl._mclBnG2_hashAndMapToWithDst(pointG2, address, message.length, address + message.length, tag.length)
    if (error !== 0) throw new Error(`mcl: hashing to the curve failed with ${error}`)
  } finally {
    mcl._free(address)
  }
  mcl._mclBnG2_normalize(pointG2, pointG2)
  return copyOut(pointG2, G2_SIZE)
}

function sign(secretKey: Uint8Array, message: G2Image): Uint8Array {
  copyIn(otherG2, message)
  setFr(scalar, secretKey)
  // Slower than the plain product by half, but its time depends less on the key.
  mcl._mclBnG2_mulCT(pointG2, otherG2, scalar)
  memory(scalar, FR_SIZE).fill(0)
  return serialize(pointG2)
}

function pairingsAgree(key: G1Image, message: G2Image, signature: G2Image): boolean {
  copyIn(pointG1, key)
  copyIn(pairG2, signature)
  copyIn(otherG2, message)
  mcl._mclBn_millerLoopVec(target, pairG1, pairG2, 2)
  mcl._mclBn_finalExp(target, target)
  return mcl._mclBnGT_isOne(target) === 1
}

/** A G1 point from 96 bytes: x and y, big-endian. */
function writeG1(address: number, affine: Uint8Array): void {
  copyIn(input, affine)
  setFp(address, 0)
  setFp(address + FP_SIZE, 1)
  mcl._mclBnFp_setInt32(address + 2 * FP_SIZE, 1)
}

/** A field element from the given 48 bytes of the input place. */
function setFp(address: number, at: number): void {
  mcl._mclBnFp_setBigEndianMod(address, input + at * FP_SIZE, FP_SIZE)
}

function setFr(address: number, bytes: Uint8Array): void {
  copyIn(input, bytes)
  mcl._mclBnFr_setBigEndianMod(address, input, FR_SIZE)
  memory(input, FR_SIZE).fill(0)
}

/** The compressed encoding, 96 bytes. */
function serialize(address: number): Uint8Array {
  const size = mcl._mclBnG2_serialize(input, 96, address)
  if (size !== 96) throw new Error(`mcl: a point was written in ${size} bytes`)
  return copyOut(input, 96)
}

function allocate(size: number): number {
  const address = mcl._malloc(size)
  if (address === 0) throw new RangeError(`mcl: no memory for ${size} bytes`)
  return address
}

// A new view each time: memory that has grown has a new buffer.
function memory(address: number, size: number): Uint8Array {
  return new Uint8Array(mcl.wasmMemory.buffer, address, size)
}

function copyIn(address: number, bytes: Uint8Array): void {
  memory(address, bytes.length).set(bytes)
}

function copyOut(address: number, size: number): Uint8Array {
  return memory(address, size).slice()
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
