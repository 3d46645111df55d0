import { philox } from '../philox'
import { barrier, share } from '../threads'

/** Family 6. 0x601 embedding, 0x602 its gradient, 0x603 dropout. */
export function random(code: u32, at: usize, thread: u32, threads: u32): void {
  if (code == 0x601) embedding(at, thread, threads)
  else if (code == 0x602) embeddingGradient(at, thread, threads)
  else if (code == 0x603) dropout(at, thread, threads)
  else unreachable()
}

/** Threads share the rows. */
function embedding(at: usize, thread: u32, threads: u32): void {
  const rows = load<u32>(at)
  const bytes = <usize>load<u32>(at, 4) << 2
  const vocabulary = load<u32>(at, 8)
  const table = <usize>load<u32>(at, 12)
  const tokens = <usize>load<u32>(at, 16)
  const end = share(rows, 4, thread + 1, threads)
  for (let i = share(rows, 4, thread, threads); i < end; i++) {
    const token = load<u32>(tokens + (<usize>i << 2)) // A negative token is a large one.
    const to = <usize>load<u32>(at, 20) + i * bytes
    if (token < vocabulary) copy(to, table + token * bytes, bytes)
    else for (let o: usize = 0; o < bytes; o += 4) store<u32>(to + o, 0x7fc00000)
  }
}

function copy(to: usize, from: usize, bytes: usize): void {
  let o: usize = 0
  for (; o + 16 <= bytes; o += 16) v128.store(to + o, v128.load(from + o))
  for (; o < bytes; o += 4) store<u32>(to + o, load<u32>(from + o))
}

/** Threads share the zeros evenly, then the columns: every thread walks all positions in order, so a row's sum has one order. */
function embeddingGradient(at: usize, thread: u32, threads: u32): void {
  const rows = load<u32>(at)
  const width = load<u32>(at, 4)
  const vocabulary = load<u32>(at, 8)
  const d = <usize>load<u32>(at, 12)
  const tokens = <usize>load<u32>(at, 16)
  const sums = <usize>load<u32>(at, 20)
  const zeros = share(vocabulary * width, 16, thread, threads)
  memory.fill(sums + (<usize>zeros << 2), 0, <usize>(share(vocabulary * width, 16, thread + 1, threads) - zeros) << 2)
  barrier(thread, threads)
  const first = <usize>share(width, 16, thread, threads) << 2
  const end = <usize>share(width, 16, thread + 1, threads) << 2
  if (first == end) return
  for (let i: u32 = 0; i < rows; i++) {
    const token = load<u32>(tokens + (<usize>i << 2))
    if (token >= vocabulary) continue
    const to = sums + ((<usize>token * width) << 2)
    const from = d + ((<usize>i * width) << 2)
    let o = first
    for (; o + 16 <= end; o += 16) v128.store(to + o, f32x4.add(v128.load(to + o), v128.load(from + o)))
    for (; o < end; o += 4) store<f32>(to + o, load<f32>(to + o) + load<f32>(from + o))
  }
}

function dropout(at: usize, thread: u32, threads: u32): void {
  const n = load<u32>(at)
  const x = <usize>load<u32>(at, 4)
  const key = <usize>load<u32>(at, 8)
  const y = <usize>load<u32>(at, 12)
  const threshold = i32x4.splat(load<u32>(at, 16))
  const scale = f32x4.splat(load<f32>(at, 20))
  const tensor = load<u32>(at, 24)
  const key0 = load<u32>(key)
  const key1 = load<u32>(key, 4)
  let i = share(n, 16, thread, threads)
  const end = share(n, 16, thread + 1, threads)
  for (; i < end; i += 4) {
    const kept = i32x4.ge_u(philox(i >> 2, 0, tensor, 1, key0, key1), threshold)
    const o = <usize>i << 2
    if (i + 4 <= end) {
      v128.store(y + o, v128.and(f32x4.mul(v128.load(x + o), scale), kept))
    } else {
      const lanes = i32x4.bitmask(kept)
      for (let l: u32 = 0; i + l < end; l++) {
        const p = o + (<usize>l << 2)
        store<f32>(y + p, ((lanes >> l) & 1) != 0 ? load<f32>(x + p) * load<f32>(at, 20) : 0)
      }
    }
  }
}
