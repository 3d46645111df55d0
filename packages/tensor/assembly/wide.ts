// A module of its own with nothing but tiles of products, for a compiler that joins two 128-bit operations to one of 256 bits (src/wide/). Storing and adding are two
// functions each, so that every sum has one use and the compiler sees the pairs.

import { sum8, sum16 } from './tile-sums'

export function storeFloats16(depth: u32, a: usize, b: usize, d: usize, c: usize, ldc: usize): void {
  sum16<f32>(depth, a, b, d, c, ldc, false)
}

export function addFloats16(depth: u32, a: usize, b: usize, d: usize, c: usize, ldc: usize): void {
  sum16<f32>(depth, a, b, d, c, ldc, true)
}

export function storeFloats8(depth: u32, a: usize, b: usize, c: usize, ldc: usize): void {
  sum8<f32>(depth, a, b, c, ldc, false)
}

export function addFloats8(depth: u32, a: usize, b: usize, c: usize, ldc: usize): void {
  sum8<f32>(depth, a, b, c, ldc, true)
}

export function storePairs16(depth: u32, a: usize, b: usize, d: usize, c: usize, ldc: usize): void {
  sum16<i16>(depth, a, b, d, c, ldc, false)
}

export function addPairs16(depth: u32, a: usize, b: usize, d: usize, c: usize, ldc: usize): void {
  sum16<i16>(depth, a, b, d, c, ldc, true)
}

export function storePairs8(depth: u32, a: usize, b: usize, c: usize, ldc: usize): void {
  sum8<i16>(depth, a, b, c, ldc, false)
}

export function addPairs8(depth: u32, a: usize, b: usize, c: usize, ldc: usize): void {
  sum8<i16>(depth, a, b, c, ldc, true)
}
