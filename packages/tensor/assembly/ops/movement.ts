import { share } from '../threads'

/** Family 9: numbers change their place and nothing else. 0x901 transpose, 0x902 concat, 0x903 slice, 0x904 pad. */
export function movement(code: u32, at: usize, thread: u32, threads: u32): void {
  switch (code) {
    case 0x901:
      transpose(at, thread, threads)
      break
    case 0x902:
      concat(at, thread, threads)
      break
    case 0x903: {
      const rows = load<u32>(at)
      const end = share(rows, 1, thread + 1, threads)
      const bytes = <usize>load<u32>(at, 20) << 2
      for (let r = share(rows, 1, thread, threads); r < end; r++) {
        const from = <usize>load<u32>(at, 4) + ((<usize>r * load<u32>(at, 8) + load<u32>(at, 12)) << 2)
        memory.copy(<usize>load<u32>(at, 16) + <usize>r * bytes, from, bytes)
      }
      break
    }
    case 0x904: {
      const rows = load<u32>(at)
      const end = share(rows, 1, thread + 1, threads)
      const bytes = <usize>load<u32>(at, 8) << 2
      const whole = <usize>load<u32>(at, 16) << 2
      const before = <usize>load<u32>(at, 20) << 2
      for (let r = share(rows, 1, thread, threads); r < end; r++) {
        const to = <usize>load<u32>(at, 12) + <usize>r * whole
        memory.fill(to, 0, before)
        memory.copy(to + before, <usize>load<u32>(at, 4) + <usize>r * bytes, bytes)
        memory.fill(to + before + bytes, 0, whole - before - bytes)
      }
      break
    }
    default:
      unreachable()
  }
}

/** y's elements in order; the last axis is the inner loop, the others are counted down from the element's number. */
function transpose(at: usize, thread: u32, threads: u32): void {
  const x = <usize>load<u32>(at)
  const y = <usize>load<u32>(at, 4)
  const rank = load<u32>(at, 8)
  const extents = at + 12
  const strides = extents + (<usize>rank << 2)
  const inner = load<u32>(extents + (<usize>(rank - 1) << 2))
  const step = <usize>load<u32>(strides + (<usize>(rank - 1) << 2)) << 2
  let rows: u32 = 1
  for (let axis: u32 = 0; axis + 1 < rank; axis++) rows *= load<u32>(extents + (<usize>axis << 2))
  const end = share(rows, 1, thread + 1, threads)
  for (let r = share(rows, 1, thread, threads); r < end; r++) {
    let left = r
    let from = x
    for (let axis = <i32>rank - 2; axis >= 0; axis--) {
      const extent = load<u32>(extents + (<usize>axis << 2))
      from += <usize>(left % extent) * (<usize>load<u32>(strides + (<usize>axis << 2)) << 2)
      left /= extent
    }
    const to = y + ((<usize>r * inner) << 2)
    if (step == 4) {
      memory.copy(to, from, <usize>inner << 2)
      continue
    }
    for (let i: u32 = 0; i < inner; i++, from += step) store<u32>(to + (<usize>i << 2), load<u32>(from))
  }
}

function concat(at: usize, thread: u32, threads: u32): void {
  const rows = load<u32>(at)
  const whole = <usize>load<u32>(at, 4) << 2
  const count = load<u32>(at, 12)
  const end = share(rows, 1, thread + 1, threads)
  for (let r = share(rows, 1, thread, threads); r < end; r++) {
    let to = <usize>load<u32>(at, 8) + <usize>r * whole
    for (let i: u32 = 0; i < count; i++) {
      const part = at + 16 + (<usize>i << 3)
      const bytes = <usize>load<u32>(part, 4) << 2
      memory.copy(to, <usize>load<u32>(part) + <usize>r * bytes, bytes)
      to += bytes
    }
  }
}
