import createModule from 'mcl-wasm/dist/mcl_c.js'

/**
 * The part of mcl's C interface (mcl/bn.h) that is used here; every argument is an address in `wasmMemory` or a
 * size in bytes. The package's own wrappers lack hashing under a chosen tag (a third faster than hashing by parts),
 * the product of pairings and the constant-time product, and share one global state.
 */
export interface Mcl {
  readonly wasmMemory: WebAssembly.Memory
  _malloc(size: number): number
  _free(address: number): void
  _mclBn_init(curve: number, compiledTimeVar: number): number
  _mclBn_setETHserialization(on: number): void
  _mclBn_setMapToMode(mode: number): number
  _mclBnFr_setBigEndianMod(y: number, bytes: number, size: number): number
  _mclBnFp_setBigEndianMod(y: number, bytes: number, size: number): number
  _mclBnFp_setInt32(y: number, x: number): void
  _mclBnG1_add(z: number, x: number, y: number): void
  _mclBnG1_isZero(x: number): number
  _mclBnG2_hashAndMapToWithDst(y: number, message: number, messageSize: number, tag: number, tagSize: number): number
  _mclBnG2_normalize(y: number, x: number): void
  _mclBnG2_isZero(x: number): number
  _mclBnG2_mulCT(z: number, x: number, y: number): void
  _mclBnG2_mulVec(z: number, x: number, y: number, count: number): void
  _mclBnG2_serialize(bytes: number, maxSize: number, x: number): number
  _mclBn_millerLoopVec(z: number, x: number, y: number, count: number): void
  _mclBn_finalExp(y: number, x: number): void
  _mclBnGT_isOne(x: number): number
}

/** Bytes of the values in memory: field elements in Montgomery form, points as three coordinates. */
export const FR_SIZE = 32
export const FP_SIZE = 48
export const G1_SIZE = 3 * FP_SIZE
export const G2_SIZE = 6 * FP_SIZE
export const GT_SIZE = 12 * FP_SIZE

const BLS12_381 = 5
// Sizes of field elements in 64-bit words, as the library was built: 10 * scalar + base.
const COMPILED_TIME_VAR = 46
const MAP_TO_RFC_9380 = 5

async function loadMcl(): Promise<Mcl> {
  const mcl: Mcl = await createModule({})
  if (mcl._mclBn_init(BLS12_381, COMPILED_TIME_VAR) !== 0) throw new Error('mcl: cannot be initialised for BLS12-381')
  mcl._mclBn_setETHserialization(1)
  if (mcl._mclBn_setMapToMode(MAP_TO_RFC_9380) !== 0) throw new Error('mcl: does not map to the curve as RFC 9380 does')
  return mcl
}

/** One instance of our own, ready when this module is. */
export const mcl: Mcl = await loadMcl()
