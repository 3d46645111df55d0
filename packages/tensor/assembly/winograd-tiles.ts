// The tiles of Winograd's algorithm (winograd.ts): where they lie and what becomes of them before the products. A tile is 4 x 4 numbers of the padded image; tiles
// lie two apart and are numbered image by image, row by row.

// Words of an instruction. The image is what is read: of the gradient of an image that is dy, padded by 2 - p, under windows turned around.
// @ts-ignore: decorator
@inline
export function images(at: usize): u32 {
  return load<u32>(at)
}

// @ts-ignore: decorator
@inline
export function channels(at: usize): u32 {
  return load<u32>(at, 4)
}

// @ts-ignore: decorator
@inline
export function height(at: usize): u32 {
  return load<u32>(at, 8)
}

// @ts-ignore: decorator
@inline
export function width(at: usize): u32 {
  return load<u32>(at, 12)
}

// @ts-ignore: decorator
@inline
export function filters(at: usize): u32 {
  return load<u32>(at, 16)
}

// @ts-ignore: decorator
@inline
export function outHeight(at: usize): u32 {
  return load<u32>(at, 20)
}

// @ts-ignore: decorator
@inline
export function outWidth(at: usize): u32 {
  return load<u32>(at, 24)
}

// @ts-ignore: decorator
@inline
export function top(at: usize): u32 {
  return load<u32>(at, 28)
}

// @ts-ignore: decorator
@inline
export function left(at: usize): u32 {
  return load<u32>(at, 32)
}

// @ts-ignore: decorator
@inline
export function turned(at: usize): bool {
  return load<u32>(at, 36) != 0
}

// @ts-ignore: decorator
@inline
export function image(at: usize): usize {
  return <usize>load<u32>(at, 40)
}

// @ts-ignore: decorator
@inline
export function weight(at: usize): usize {
  return <usize>load<u32>(at, 44)
}

// @ts-ignore: decorator
@inline
export function output(at: usize): usize {
  return <usize>load<u32>(at, 48)
}

// @ts-ignore: decorator
@inline
export function scratchOf(at: usize): usize {
  return <usize>load<u32>(at, 52)
}

/** Bytes of one padded plane for each image that a block may touch: the planner knows. */
// @ts-ignore: decorator
@inline
export function planeBytes(at: usize): usize {
  return <usize>load<u32>(at, 56)
}

// @ts-ignore: decorator
@inline
export function tilesAcross(at: usize): u32 {
  return (outWidth(at) + 1) >> 1
}

// @ts-ignore: decorator
@inline
export function tilesOfImage(at: usize): u32 {
  return ((outHeight(at) + 1) >> 1) * tilesAcross(at)
}

/** Distance of the sixteen matrices: one line more than their size, or all of them would fall into the same places of the cache. */
// @ts-ignore: decorator
@inline
export function apart(numbers: u32): usize {
  return ((<usize>numbers << 2) + 127) & ~63
}

/**
 * For each tile of a block: the byte at which it begins among the padded planes, the byte of its first output in the plane of its image's first filter, and
 * how many of its rows and columns exist. Tiles that fill the last vector lie where the first one does, and have none.
 */
export function placeTiles(at: usize, first: u32, tiles: u32, table: usize): void {
  const across = tilesAcross(at)
  const each = tilesOfImage(at)
  const oh = outHeight(at)
  const ow = outWidth(at)
  const firstImage = first / each
  const paddedWidth = 2 * across + 2
  const plane = paddedWidth * (2 * (each / across) + 2)
  let n = firstImage
  let ty = (first % each) / across
  let tx = (first % each) % across
  for (let t: u32 = 0; t < tiles; t++, table += 16) {
    store<u32>(table, ((n - firstImage) * plane + 2 * ty * paddedWidth + 2 * tx) << 2)
    store<u32>(table, (n * filters(at) * oh * ow + 2 * ty * ow + 2 * tx) << 2, 4)
    store<u32>(table, min(2, oh - 2 * ty), 8)
    store<u32>(table, min(2, ow - 2 * tx), 12)
    if (++tx == across) {
      tx = 0
      if (++ty * across == each) {
        ty = 0
        n++
      }
    }
  }
  for (let t = tiles; (t & 7) != 0; t++, table += 16) {
    store<u32>(table, 0)
    store<u32>(table, 0, 8)
  }
}

export function padImages(at: usize, c: u32, first: u32, tiles: u32, planes: usize): void {
  const plane = (<usize>height(at) * width(at)) << 2
  padPlanes(at, first, tiles, image(at) + c * plane, channels(at) * plane, height(at), width(at), top(at), left(at), planes)
}

/**
 * One channel of the block's images, [h, w] each and `next` bytes from one to the next, with zeros around them: `above` rows and `before` columns first, then
 * as many as tiles reach. Only rows that the block's tiles see.
 */
export function padPlanes(at: usize, first: u32, tiles: u32, from: usize, next: usize, h: u32, w: u32, above: u32, before: u32, planes: usize): void {
  const across = tilesAcross(at)
  const each = tilesOfImage(at)
  const paddedWidth = 2 * across + 2
  const plane = (<usize>paddedWidth * (2 * (each / across) + 2)) << 2
  const last = first + tiles - 1
  from += <usize>(first / each) * next
  for (let n = first / each; n <= last / each; n++, planes += plane, from += next) {
    const end: u32 = n == last / each ? 2 * ((last % each) / across) + 4 : 2 * (each / across) + 2
    let row: u32 = n == first / each ? 2 * ((first % each) / across) : 0
    let to = planes + ((<usize>row * paddedWidth) << 2)
    for (; row < end; row++, to += <usize>paddedWidth << 2) {
      const y = row - above
      if (row < above || y >= h) {
        fillZeros(to, paddedWidth)
        continue
      }
      fillZeros(to, before)
      copyNumbers(from + ((<usize>y * w) << 2), to + (<usize>before << 2), w)
      fillZeros(to + (<usize>(before + w) << 2), paddedWidth - before - w)
    }
  }
}

// @ts-ignore: decorator
@inline
function fillZeros(to: usize, n: u32): void {
  const end = to + (<usize>n << 2)
  for (; to < end; to += 4) store<f32>(to, 0)
}

// @ts-ignore: decorator
@inline
function copyNumbers(from: usize, to: usize, n: u32): void {
  const end = to + (<usize>n << 2)
  for (; to + 16 <= end; from += 16, to += 16) v128.store(to, v128.load(from))
  for (; to < end; from += 4, to += 4) store<f32>(to, load<f32>(from))
}

/** Four tiles of one plane, one of the sixteen numbers of all four after the other. */
export function transformFour(places: usize, planes: usize, row: usize, to: usize, between: usize): void {
  const t0 = planes + load<u32>(places)
  const t1 = planes + load<u32>(places, 16)
  const t2 = planes + load<u32>(places, 32)
  const t3 = planes + load<u32>(places, 48)
  const row2 = 2 * row
  storeAcross(
    to,
    between,
    f32x4.sub(v128.load(t0), v128.load(t0 + row2)),
    f32x4.sub(v128.load(t1), v128.load(t1 + row2)),
    f32x4.sub(v128.load(t2), v128.load(t2 + row2)),
    f32x4.sub(v128.load(t3), v128.load(t3 + row2)),
  )
  storeAcross(
    to + 4 * between,
    between,
    f32x4.add(v128.load(t0 + row), v128.load(t0 + row2)),
    f32x4.add(v128.load(t1 + row), v128.load(t1 + row2)),
    f32x4.add(v128.load(t2 + row), v128.load(t2 + row2)),
    f32x4.add(v128.load(t3 + row), v128.load(t3 + row2)),
  )
  storeAcross(
    to + 8 * between,
    between,
    f32x4.sub(v128.load(t0 + row2), v128.load(t0 + row)),
    f32x4.sub(v128.load(t1 + row2), v128.load(t1 + row)),
    f32x4.sub(v128.load(t2 + row2), v128.load(t2 + row)),
    f32x4.sub(v128.load(t3 + row2), v128.load(t3 + row)),
  )
  const row3 = 3 * row
  storeAcross(
    to + 12 * between,
    between,
    f32x4.sub(v128.load(t0 + row), v128.load(t0 + row3)),
    f32x4.sub(v128.load(t1 + row), v128.load(t1 + row3)),
    f32x4.sub(v128.load(t2 + row), v128.load(t2 + row3)),
    f32x4.sub(v128.load(t3 + row), v128.load(t3 + row3)),
  )
}

/** One row of four tiles across, (d0 - d2, d1 + d2, d2 - d1, d1 - d3), a lane each. */
// @ts-ignore: decorator
@inline
function storeAcross(to: usize, between: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5)
  const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5)
  const ab2 = v128.shuffle<f32>(a, b, 2, 6, 3, 7)
  const cd2 = v128.shuffle<f32>(c, d, 2, 6, 3, 7)
  const d0 = v128.shuffle<i64>(ab, cd, 0, 2)
  const d1 = v128.shuffle<i64>(ab, cd, 1, 3)
  const d2 = v128.shuffle<i64>(ab2, cd2, 0, 2)
  const d3 = v128.shuffle<i64>(ab2, cd2, 1, 3)
  v128.store(to, f32x4.sub(d0, d2))
  v128.store(to + between, f32x4.add(d1, d2))
  v128.store(to + 2 * between, f32x4.sub(d2, d1))
  v128.store(to + 3 * between, f32x4.sub(d1, d3))
}
