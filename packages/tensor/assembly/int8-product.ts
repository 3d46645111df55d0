// Products of int8 matrices with int32 sums. Whole numbers are added exactly (modulo 2^32), so no order of sums, block or tile is normative.
//
// Operands are widened to int16 and packed in pairs of neighbours along k, four rows of A and eight columns of B side by side, as one
// i32x4.dot_i16x8_s takes them: two multiply-adds a lane and instruction.

import { multiplyPanels } from './tiles'

const KC: u32 = 1024 // Even: pairs never straddle blocks.
const MC: u32 = 64
const NC: u32 = 256

const B_BLOCK: usize = <usize>MC * KC * 2
const TILE: usize = B_BLOCK + <usize>NC * KC * 2

/** Bytes of scratch that a product needs. */
export const INT8_SCRATCH: u32 = <u32>TILE + 128

/**
 * C[m,n] = (or +=) A B. aByRow: A is stored [m,k] (else [k,m]); bByColumn: B is stored [n,k] (else [k,n]); lda and ldb are row lengths in bytes, that is in
 * numbers, ldc in bytes of int32 rows.
 */
export function int8Product(m: u32, n: u32, k: u32, a: usize, lda: usize, aByRow: bool, b: usize, ldb: usize, bByColumn: bool, c: usize, ldc: usize, add: bool, scratch: usize): void {
  const blockA = scratch
  const blockB = scratch + B_BLOCK
  const tile = scratch + TILE
  for (let j0: u32 = 0; j0 < n; j0 += NC) {
    const nc = min(NC, n - j0)
    for (let k0: u32 = 0; k0 < k; k0 += KC) {
      const kc = min(KC, k - k0)
      const pairs = (kc + 1) >> 1
      const more = add || k0 > 0
      pack8(b, ldb, bByColumn, j0, nc, k0, kc, blockB)
      for (let i0: u32 = 0; i0 < m; i0 += MC) {
        const mc = min(MC, m - i0)
        pack4(a, lda, aByRow, i0, mc, k0, kc, blockA)
        const origin = c + <usize>i0 * ldc + (<usize>j0 << 2)
        multiplyPanels<i16>(mc, nc, pairs, blockA, blockB, <usize>pairs << 5, origin, ldc, tile, more)
      }
    }
  }
}

/** Panels of four rows of A; missing rows and an odd last k are 0. */
function pack4(a: usize, lda: usize, byRow: bool, i0: u32, mc: u32, k0: u32, kc: u32, to: usize): void {
  const pairs = (kc + 1) >> 1
  for (let i: u32 = 0; i < mc; i += 4) {
    const rows = min(4, mc - i)
    if (byRow) packRows(a + <usize>(i0 + i) * lda + k0, lda, rows, kc, to, 16)
    else packColumns4(a + <usize>k0 * lda + i0 + i, lda, rows, kc, to)
    to += <usize>pairs << 4
  }
}

/** Panels of eight columns of B. */
function pack8(b: usize, ldb: usize, byColumn: bool, j0: u32, nc: u32, k0: u32, kc: u32, to: usize): void {
  const pairs = (kc + 1) >> 1
  for (let j: u32 = 0; j < nc; j += 8) {
    const columns = min(8, nc - j)
    if (byColumn) {
      const from = b + <usize>(j0 + j) * ldb + k0
      packRows(from, ldb, min(4, columns), kc, to, 32)
      if (columns > 4) packRows(from + 4 * ldb, ldb, columns - 4, kc, to + 16, 32)
      else clear(to + 16, pairs, 32)
    } else {
      packColumns8(b + <usize>k0 * ldb + j0 + j, ldb, columns, kc, to)
    }
    to += <usize>pairs << 5
  }
}

function clear(to: usize, pairs: u32, step: usize): void {
  for (let p: u32 = 0; p < pairs; p++, to += step) v128.store(to, i32x4.splat(0))
}

/** Up to four rows that are contiguous along k: lane r of pair p holds row r's numbers 2 p and 2 p + 1. */
function packRows(from: usize, ld: usize, rows: u32, kc: u32, to: usize, step: usize): void {
  let k: u32 = 0
  if (rows == 4) {
    for (; k + 8 <= kc; k += 8) {
      const r0 = v128.load8x8_s(from + k)
      const r1 = v128.load8x8_s(from + ld + k)
      const r2 = v128.load8x8_s(from + 2 * ld + k)
      const r3 = v128.load8x8_s(from + 3 * ld + k)
      const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5)
      const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5)
      const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7)
      const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7)
      v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2))
      v128.store(to + step, v128.shuffle<i64>(low01, low23, 1, 3))
      v128.store(to + 2 * step, v128.shuffle<i64>(high01, high23, 0, 2))
      v128.store(to + 3 * step, v128.shuffle<i64>(high01, high23, 1, 3))
      to += 4 * step
    }
  }
  for (; k < kc; k += 2, to += step) {
    for (let r: u32 = 0; r < 4; r++) {
      const at = from + <usize>r * ld + k
      const low = r < rows ? <i32>load<i8>(at) : 0
      const high = r < rows && k + 1 < kc ? <i32>load<i8>(at, 1) : 0
      store<i32>(to + (<usize>r << 2), (low & 0xffff) | (high << 16))
    }
  }
}

/** Up to four neighbours in a row of k after the other. */
function packColumns4(from: usize, ld: usize, columns: u32, kc: u32, to: usize): void {
  for (let k: u32 = 0; k < kc; k += 2, to += 16, from += 2 * ld) {
    const last = k + 1 == kc
    if (columns == 4) {
      const low = i16x8.extend_low_i8x16_s(v128.load32_zero(from))
      const high = last ? i32x4.splat(0) : i16x8.extend_low_i8x16_s(v128.load32_zero(from + ld))
      v128.store(to, v128.shuffle<i16>(low, high, 0, 8, 1, 9, 2, 10, 3, 11))
    } else {
      for (let r: u32 = 0; r < 4; r++) store<i32>(to + (<usize>r << 2), r < columns ? pairOf(from + r, ld, last) : 0)
    }
  }
}

function packColumns8(from: usize, ld: usize, columns: u32, kc: u32, to: usize): void {
  for (let k: u32 = 0; k < kc; k += 2, to += 32, from += 2 * ld) {
    const last = k + 1 == kc
    if (columns == 8) {
      const low = v128.load8x8_s(from)
      const high = last ? i32x4.splat(0) : v128.load8x8_s(from + ld)
      v128.store(to, v128.shuffle<i16>(low, high, 0, 8, 1, 9, 2, 10, 3, 11))
      v128.store(to, v128.shuffle<i16>(low, high, 4, 12, 5, 13, 6, 14, 7, 15), 16)
    } else {
      for (let r: u32 = 0; r < 8; r++) store<i32>(to + (<usize>r << 2), r < columns ? pairOf(from + r, ld, last) : 0)
    }
  }
}

// @ts-ignore: decorator
@inline
function pairOf(at: usize, ld: usize, last: bool): i32 {
  return (<i32>load<i8>(at) & 0xffff) | ((last ? 0 : <i32>load<i8>(at + ld)) << 16)
}

/** C[m,n] = (or +=) A[m,k] B[n,k]ᵀ of int16 numbers, k at most 1024; lda and ldb in bytes. */
export function int16Product(m: u32, n: u32, k: u32, a: usize, lda: usize, b: usize, ldb: usize, c: usize, ldc: usize, add: bool, scratch: usize): void {
  const pairs = (k + 1) >> 1
  const blockA = scratch
  const blockB = scratch + B_BLOCK
  const tile = scratch + TILE
  for (let j0: u32 = 0; j0 < n; j0 += NC) {
    const nc = min(NC, n - j0)
    for (let j: u32 = 0; j < nc; j += 8) {
      const from = b + <usize>(j0 + j) * ldb
      const to = blockB + ((<usize>j * pairs) << 2)
      packWideRows(from, ldb, min(4, nc - j), k, to, 32)
      packWideRows(from + 4 * ldb, ldb, nc - j > 4 ? min(4, nc - j - 4) : 0, k, to + 16, 32)
    }
    for (let i0: u32 = 0; i0 < m; i0 += MC) {
      const mc = min(MC, m - i0)
      for (let i: u32 = 0; i < mc; i += 4) packWideRows(a + <usize>(i0 + i) * lda, lda, min(4, mc - i), k, blockA + ((<usize>i * pairs) << 2), 16)
      const origin = c + <usize>i0 * ldc + (<usize>j0 << 2)
      multiplyPanels<i16>(mc, nc, pairs, blockA, blockB, <usize>pairs << 5, origin, ldc, tile, add)
    }
  }
}

/** `packRows` of numbers that are int16 already. */
function packWideRows(from: usize, ld: usize, rows: u32, k: u32, to: usize, step: usize): void {
  let p: u32 = 0
  if (rows == 4) {
    for (; p + 8 <= k; p += 8, to += 4 * step) {
      const at = from + (<usize>p << 1)
      const r0 = v128.load(at)
      const r1 = v128.load(at + ld)
      const r2 = v128.load(at + 2 * ld)
      const r3 = v128.load(at + 3 * ld)
      const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5)
      const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5)
      const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7)
      const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7)
      v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2))
      v128.store(to + step, v128.shuffle<i64>(low01, low23, 1, 3))
      v128.store(to + 2 * step, v128.shuffle<i64>(high01, high23, 0, 2))
      v128.store(to + 3 * step, v128.shuffle<i64>(high01, high23, 1, 3))
    }
  }
  for (; p < k; p += 2, to += step) {
    for (let r: u32 = 0; r < 4; r++) {
      const at = from + <usize>r * ld + (<usize>p << 1)
      const low = r < rows ? <i32>load<i16>(at) : 0
      const high = r < rows && p + 1 < k ? <i32>load<i16>(at, 2) : 0
      store<i32>(to + (<usize>r << 2), (low & 0xffff) | (high << 16))
    }
  }
}
