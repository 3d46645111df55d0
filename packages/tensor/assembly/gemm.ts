// Matrix products with one order of additions (README, "Matrix product").
//
// C[m,n] = A[m,k] B[k,n]; operands are packed into panels of 4 rows (A) and 8 columns (B), so that the inner loop reads
// both in order, tile by tile of 4x8.
// Blocks of m and n only choose which numbers lie in cache; the sum of one output never depends on them.

import { multiplyPanels } from './tiles'

const KC: u32 = 256 // Normative: one partial sum covers 256 consecutive k.
const MC: u32 = 32 // Free: A block, 32 KiB: with a panel of B it fits the first cache.
const NC: u32 = 256 // Free: B block, 256 KiB.

const B_BLOCK: usize = <usize>MC * KC * 4
const TILE: usize = B_BLOCK + <usize>NC * KC * 4

/** Bytes of scratch that a product needs. */
export function gemmScratchBytes(): u32 {
  return <u32>TILE + 128
}

/** y[m,n] = x[m,k] w[n,k]ᵀ: a dense layer forward. */
export function gemmNT(m: u32, n: u32, k: u32, x: usize, w: usize, y: usize, scratch: usize): void {
  gemm(m, n, k, x, <usize>k << 2, true, w, <usize>k << 2, true, y, <usize>n << 2, scratch)
}

/** dx[m,k] = dy[m,n] w[n,k]: the gradient of a layer's input; sums over n. */
export function gemmNN(m: u32, n: u32, k: u32, dy: usize, w: usize, dx: usize, scratch: usize): void {
  gemm(m, k, n, dy, <usize>n << 2, true, w, <usize>k << 2, false, dx, <usize>k << 2, scratch)
}

/** dw[n,k] = dy[m,n]ᵀ x[m,k]: the gradient of a layer's weight; sums over m. */
export function gemmTN(m: u32, n: u32, k: u32, dy: usize, x: usize, dw: usize, scratch: usize): void {
  gemm(n, k, m, dy, <usize>n << 2, false, x, <usize>k << 2, false, dw, <usize>k << 2, scratch)
}

/**
 * aByRow: A is stored [m,k] (else [k,m]); bByColumn: B is stored [n,k] (else [k,n]); lda, ldb and ldc are row lengths in bytes.
 */
export function gemm(m: u32, n: u32, k: u32, a: usize, lda: usize, aByRow: bool, b: usize, ldb: usize, bByColumn: bool, c: usize, ldc: usize, scratch: usize): void {
  gemmInto(m, n, k, a, lda, aByRow, b, ldb, bByColumn, c, ldc, false, scratch)
}

/** The same, with `add` onto what C holds, as if its chunks were the next ones of one sum. */
export function gemmInto(m: u32, n: u32, k: u32, a: usize, lda: usize, aByRow: bool, b: usize, ldb: usize, bByColumn: bool, c: usize, ldc: usize, add: bool, scratch: usize): void {
  const blockB = scratch + B_BLOCK
  for (let j0: u32 = 0; j0 < n; j0 += NC) {
    const nc = min(NC, n - j0)
    for (let k0: u32 = 0; k0 < k; k0 += KC) {
      const kc = min(KC, k - k0)
      packB(b, ldb, bByColumn, j0, nc, k0, kc, blockB)
      for (let i0: u32 = 0; i0 < m; i0 += MC) {
        const mc = min(MC, m - i0)
        packA(a, lda, aByRow, i0, mc, k0, kc, scratch)
        multiplyPanels<f32>(mc, nc, kc, scratch, blockB, <usize>kc << 5, c + <usize>i0 * ldc + (<usize>j0 << 2), ldc, scratch + TILE, add || k0 > 0)
      }
    }
  }
}

/** Bytes of a B[k,n] that is packed whole. */
// @ts-ignore: decorator
@inline
export function packedBytes(n: u32, k: u32): usize {
  return <usize>((n + 7) & ~7) * k << 2
}

/** Packs all of B[k,n], chunk of k by chunk, for products that share it. */
export function packWhole(n: u32, k: u32, b: usize, ldb: usize, byColumn: bool, packed: usize): void {
  for (let k0: u32 = 0; k0 < k; k0 += KC) packB(b, ldb, byColumn, 0, n, k0, min(KC, k - k0), packed + packedBytes(n, k0))
}

/** C[m,n] = the first n columns of a packed B[depth,width], summed over k in [from, end), in the chunks that begin at 0. */
export function gemmPacked(m: u32, n: u32, from: u32, end: u32, a: usize, lda: usize, aByRow: bool, packed: usize, width: u32, depth: u32, c: usize, ldc: usize, scratch: usize): void {
  for (let k0 = from; k0 < end; ) {
    const chunk = k0 & ~(KC - 1)
    const next = min(end, chunk + KC)
    const panels = packed + packedBytes(width, chunk) + (<usize>(k0 - chunk) << 5)
    for (let i0: u32 = 0; i0 < m; i0 += MC) {
      const mc = min(MC, m - i0)
      packA(a, lda, aByRow, i0, mc, k0, next - k0, scratch)
      multiplyPanels<f32>(mc, n, next - k0, scratch, panels, <usize>min(KC, depth - chunk) << 5, c + <usize>i0 * ldc, ldc, scratch + TILE, k0 > from)
    }
    k0 = next
  }
}

function packA(a: usize, lda: usize, byRow: bool, i0: u32, mc: u32, k0: u32, kc: u32, panel: usize): void {
  let i: u32 = 0
  if (!byRow) {
    for (; i + 16 <= mc; i += 16, panel += <usize>kc << 6) copyColumns16(a + <usize>k0 * lda + (<usize>(i0 + i) << 2), lda, kc, panel, <usize>kc << 4)
  }
  for (; i < mc; i += 4) {
    const lanes = min(4, mc - i)
    if (byRow) transposeRows(a + <usize>(i0 + i) * lda + (<usize>k0 << 2), lda, lanes, kc, panel, 16)
    else copyColumns(a + <usize>k0 * lda + (<usize>(i0 + i) << 2), lda, lanes, kc, panel, 16)
    panel += <usize>kc << 4
  }
}

function packB(b: usize, ldb: usize, byColumn: bool, j0: u32, nc: u32, k0: u32, kc: u32, panel: usize): void {
  let j: u32 = 0
  if (!byColumn) {
    for (; j + 16 <= nc; j += 16, panel += <usize>kc << 6) copyLines(b + <usize>k0 * ldb + (<usize>(j0 + j) << 2), ldb, kc, panel, panel + (<usize>kc << 5))
  }
  for (; j < nc; j += 8) {
    const left = min(8, nc - j)
    const low = min(4, left)
    const high = left - low
    if (byColumn) {
      const from = b + <usize>(j0 + j) * ldb + (<usize>k0 << 2)
      transposeRows(from, ldb, low, kc, panel, 32)
      transposeRows(from + 4 * ldb, ldb, high, kc, panel + 16, 32)
    } else {
      const from = b + <usize>k0 * ldb + (<usize>(j0 + j) << 2)
      if (left == 8) {
        copyColumns8(from, ldb, kc, panel)
      } else {
        copyColumns(from, ldb, low, kc, panel, 32)
        copyColumns(from + 16, ldb, high, kc, panel + 16, 32)
      }
    }
    panel += <usize>kc << 5
  }
}

/** to[p][lane] = from[lane][p] for `lanes` <= 4 rows; the other lanes become 0 and their products are never stored. */
function transposeRows(from: usize, ld: usize, lanes: u32, kc: u32, to: usize, stride: usize): void {
  let p: u32 = 0
  if (lanes == 4) {
    const r1 = from + ld
    const r2 = r1 + ld
    const r3 = r2 + ld
    for (; p + 4 <= kc; p += 4) {
      const at = <usize>p << 2
      const v0 = v128.load(from + at)
      const v1 = v128.load(r1 + at)
      const v2 = v128.load(r2 + at)
      const v3 = v128.load(r3 + at)
      const t0 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5)
      const t1 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5)
      const t2 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7)
      const t3 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7)
      v128.store(to, v128.shuffle<i64>(t0, t1, 0, 2))
      to += stride
      v128.store(to, v128.shuffle<i64>(t0, t1, 1, 3))
      to += stride
      v128.store(to, v128.shuffle<i64>(t2, t3, 0, 2))
      to += stride
      v128.store(to, v128.shuffle<i64>(t2, t3, 1, 3))
      to += stride
    }
  }
  for (; p < kc; p++) {
    for (let lane: u32 = 0; lane < 4; lane++) {
      store<f32>(to + (<usize>lane << 2), lane < lanes ? load<f32>(from + <usize>lane * ld + (<usize>p << 2)) : 0)
    }
    to += stride
  }
}

/** to[p][lane] = from[p][lane] for `lanes` <= 4 columns; the other lanes become 0. */
function copyColumns(from: usize, ld: usize, lanes: u32, kc: u32, to: usize, stride: usize): void {
  for (let p: u32 = 0; p < kc; p++) {
    if (lanes == 4) {
      v128.store(to, v128.load(from))
    } else {
      for (let lane: u32 = 0; lane < 4; lane++) {
        store<f32>(to + (<usize>lane << 2), lane < lanes ? load<f32>(from + (<usize>lane << 2)) : 0)
      }
    }
    from += ld
    to += stride
  }
}

function copyColumns8(from: usize, ld: usize, kc: u32, to: usize): void {
  for (let p: u32 = 0; p < kc; p++) {
    v128.store(to, v128.load(from))
    v128.store(to, v128.load(from, 16), 16)
    from += ld
    to += 32
  }
}

/** Sixteen columns, often one line of the cache, into two panels of eight: rows apart by a power of two would push each other out between visits. */
function copyLines(from: usize, ld: usize, kc: u32, to: usize, next: usize): void {
  for (let p: u32 = 0; p < kc; p++) {
    v128.store(to, v128.load(from))
    v128.store(to, v128.load(from, 16), 16)
    v128.store(next, v128.load(from, 32))
    v128.store(next, v128.load(from, 48), 16)
    from += ld
    to += 32
    next += 32
  }
}

/** The same into four panels of four, `apart` bytes from one to the next. */
function copyColumns16(from: usize, ld: usize, kc: u32, to: usize, apart: usize): void {
  const to2 = to + 2 * apart
  for (let p: usize = 0; p < <usize>kc << 4; p += 16) {
    v128.store(to + p, v128.load(from))
    v128.store(to + apart + p, v128.load(from, 16))
    v128.store(to2 + p, v128.load(from, 32))
    v128.store(to2 + apart + p, v128.load(from, 48))
    from += ld
  }
}
