import { share } from '../threads'

/** Family 3, one value in, one value out, for tensors of equal shape. 0x301 add. */
export function elementwise(code: u32, at: usize, thread: u32, threads: u32): void {
  const n = load<u32>(at)
  const first = share(n, 16, thread, threads)
  const end = share(n, 16, thread + 1, threads)
  if (code == 0x301) add(<usize>load<u32>(at, 4), <usize>load<u32>(at, 8), <usize>load<u32>(at, 12), first, end)
  else unreachable()
}

function add(a: usize, b: usize, c: usize, i: u32, end: u32): void {
  for (; i + 4 <= end; i += 4) {
    const o = <usize>i << 2
    v128.store(c + o, f32x4.add(v128.load(a + o), v128.load(b + o)))
  }
  for (; i < end; i++) {
    const o = <usize>i << 2
    store<f32>(c + o, load<f32>(a + o) + load<f32>(b + o))
  }
}
