import { fromColumns, intoColumns } from '../int8-columns'
import { INT8_SCRATCH, int8Product } from '../int8-product'
import { int8Winograd, int8WinogradWeight } from '../int8-winograd'
import { largestBits, quantize, rescale } from '../quantize'
import { scoreSoftmax, scoreSoftmaxBackward } from '../score-softmax'
import { share } from '../threads'

/** Family 8, products of profile `int8x`: largest magnitude, numbers, products, results; images as matrices and back, and convolution without such. */
export function int8(code: u32, at: usize, thread: u32, threads: u32): void {
  switch (code) {
    case 0x801:
      largestBits(at, thread, threads)
      break
    case 0x802:
      quantize(at, thread, threads)
      break
    case 0x803:
      products(at, thread, threads)
      break
    case 0x804:
      rescale(at, thread, threads)
      break
    case 0x805:
      intoColumns(at, thread, threads)
      break
    case 0x806:
      fromColumns(at, thread, threads)
      break
    case 0x807:
      scoreSoftmax(at, thread, threads)
      break
    case 0x808:
      scoreSoftmaxBackward(at, thread, threads)
      break
    case 0x809:
      int8Winograd(at, thread, threads)
      break
    case 0x80a:
      int8WinogradWeight(at, thread, threads)
      break
    default:
      unreachable()
  }
}

/**
 * A grid of products, outer x inner. Words: kind, m, n, k, a, lda, b, ldb, c, ldc, scratch, outer, inner, then the steps of a, b, c along outer and
 * inner, and whether products along outer are added up. All sizes in bytes but m, n, k.
 */
function products(at: usize, thread: u32, threads: u32): void {
  const kind = load<u32>(at)
  const m = load<u32>(at, 4)
  const n = load<u32>(at, 8)
  const k = load<u32>(at, 12)
  const lda = <usize>load<u32>(at, 20)
  const ldc = <usize>load<u32>(at, 36)
  const scratch = <usize>load<u32>(at, 40) + <usize>thread * INT8_SCRATCH
  const outer = load<u32>(at, 44)
  const inner = load<u32>(at, 48)
  const sum = load<u32>(at, 76) != 0
  const aByRow = kind != 2
  // Threads share products where there are enough of them, else the rows of each.
  const byProduct = !sum && outer * inner >= 2 * threads
  const firstUnit = byProduct ? share(outer * inner, 1, thread, threads) : 0
  const endUnit = byProduct ? share(outer * inner, 1, thread + 1, threads) : outer * inner
  const first = byProduct ? 0 : share(m, 4, thread, threads)
  const rows = (byProduct ? m : share(m, 4, thread + 1, threads)) - first
  if (rows == 0) return
  for (let unit = firstUnit; unit < endUnit; unit++) {
    const o = unit / inner
    const i = unit % inner
    const a = <usize>load<u32>(at, 16) + <usize>o * load<u32>(at, 52) + <usize>i * load<u32>(at, 56) + (aByRow ? <usize>first * lda : <usize>first)
    const b = <usize>load<u32>(at, 24) + <usize>o * load<u32>(at, 60) + <usize>i * load<u32>(at, 64)
    const c = <usize>load<u32>(at, 32) + <usize>o * load<u32>(at, 68) + <usize>i * load<u32>(at, 72) + <usize>first * ldc
    int8Product(rows, n, k, a, lda, aByRow, b, <usize>load<u32>(at, 28), kind == 0, c, ldc, sum && o > 0, scratch)
  }
}
