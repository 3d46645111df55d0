import { intoColumns, outOfColumns } from '../columns'
import { convolve, convolveInput, convolveWeight } from '../convolve'
import { averagePool, maxPool, maxPoolBackward } from '../pooling'
import { winograd } from '../winograd'
import { winogradWeight } from '../winograd-weight'

/** Family 2, windows over images. */
export function convolution(code: u32, at: usize, thread: u32, threads: u32): void {
  switch (code) {
    case 0x201:
      convolve(at, thread, threads)
      break
    case 0x202:
      convolveInput(at, thread, threads)
      break
    case 0x203:
      convolveWeight(at, thread, threads)
      break
    case 0x204:
      winograd(at, thread, threads)
      break
    case 0x205:
      winogradWeight(at, thread, threads)
      break
    case 0x206:
      intoColumns(at, thread, threads)
      break
    case 0x207:
      outOfColumns(at, thread, threads)
      break
    case 0x210:
      maxPool(at, thread, threads)
      break
    case 0x211:
      maxPoolBackward(at, thread, threads)
      break
    case 0x212:
      averagePool(at, thread, threads, false)
      break
    case 0x213:
      averagePool(at, thread, threads, true)
      break
    default:
      unreachable()
  }
}
