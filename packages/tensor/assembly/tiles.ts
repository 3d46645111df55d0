// Panels of A times panels of B, tile by tile: by this module, or by the functions of wide.ts where the host has put them into the table.

import { sum8 } from './tile-sums'

/** Where the functions of wide.ts begin in the table; 0 while there are none. */
let wide: u32 = 0

/** From here on tiles are multiplied by the table's functions at `first` and behind it, in the order of wide.ts. */
export function widen(first: u32): void {
  wide = first
}

/**
 * c[mc,nc] = (or +=) panels of A times panels of B, which lie `apart` bytes from one to the next, over `depth` steps of T: f32 along k, or i16 pairs. Two panels of B
 * take turns where they and the block of A fit the first cache, or where one tile is as wide: then a line of C, sixteen columns, is written at once. Tiles that are not
 * whole go through `tile`, 128 bytes.
 */
export function multiplyPanels<T>(mc: u32, nc: u32, depth: u32, a: usize, b: usize, apart: usize, c: usize, ldc: usize, tile: usize, add: bool): void {
  const turn: u32 = wide || depth <= 128 ? 16 : 8
  for (let j0: u32 = 0; j0 < nc; j0 += turn, b += apart * (turn >> 3)) {
    const end = min(nc, j0 + turn)
    const line = wide && nc - j0 >= 16
    for (let i: u32 = 0; i < mc; i += 4) {
      const panelA = a + ((<usize>i * depth) << 2)
      const target = c + <usize>i * ldc
      if (line && mc - i >= 4) {
        call_indirect<void>(wide + (isFloat<T>() ? 0 : 4) + <u32>add, depth, panelA, b, b + apart, target + (<usize>j0 << 2), ldc)
        continue
      }
      for (let j = j0, panelB = b; j < end; j += 8, panelB += apart) {
        if (mc - i >= 4 && nc - j >= 8) {
          multiplyTile<T>(depth, panelA, panelB, target + (<usize>j << 2), ldc, add)
        } else {
          multiplyTile<T>(depth, panelA, panelB, tile, 32, false)
          storePart<T>(tile, target + (<usize>j << 2), ldc, min(4, mc - i), min(8, nc - j), add)
        }
      }
    }
  }
}

function multiplyTile<T>(depth: u32, a: usize, b: usize, c: usize, ldc: usize, add: bool): void {
  if (wide) call_indirect<void>(wide + (isFloat<T>() ? 2 : 6) + <u32>add, depth, a, b, c, ldc)
  else sum8<T>(depth, a, b, c, ldc, add)
}

/** Copies the part of a tile that lies inside the output. */
function storePart<T>(tile: usize, c: usize, ldc: usize, rows: u32, columns: u32, add: bool): void {
  for (let i: u32 = 0; i < rows; i++) {
    for (let j: u32 = 0; j < columns; j++) {
      const from = tile + (<usize>i << 5) + (<usize>j << 2)
      const to = c + <usize>i * ldc + (<usize>j << 2)
      if (isFloat<T>()) store<f32>(to, add ? load<f32>(to) + load<f32>(from) : load<f32>(from))
      else store<i32>(to, add ? load<i32>(to) + load<i32>(from) : load<i32>(from))
    }
  }
}
