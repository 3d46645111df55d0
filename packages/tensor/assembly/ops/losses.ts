import { outputLossRows } from '../output-losses'
import { columnSumsShared, countTop, finite, rowSums, spread, sumAll } from '../shared-reductions'
import { softmaxBackwardRows, softmaxCrossEntropyRows, softmaxRows } from '../softmax-rows'
import { share } from '../threads'

/** Family 5: losses, softmax, reductions. Every instruction begins with rows and columns. */
export function losses(code: u32, at: usize, thread: u32, threads: u32): void {
  const rows = load<u32>(at)
  const columns = load<u32>(at, 4)
  const a = <usize>load<u32>(at, 8)
  const b = <usize>load<u32>(at, 12)
  const first = share(rows, 1, thread, threads)
  const end = share(rows, 1, thread + 1, threads)
  switch (code) {
    case 0x501:
      softmaxCrossEntropyRows(a, b, <usize>load<u32>(at, 16), <usize>load<u32>(at, 20), first, end, columns)
      break
    case 0x502:
    case 0x503:
    case 0x504:
      outputLossRows(code, a, b, <usize>load<u32>(at, 16), <usize>load<u32>(at, 20), first, end, columns, load<f32>(at, 24))
      break
    case 0x505:
      softmaxRows(a, b, first, end, columns)
      break
    case 0x506:
      softmaxBackwardRows(a, b, <usize>load<u32>(at, 16), first, end, columns)
      break
    case 0x507:
      sumAll(a, b, columns, <usize>load<u32>(at, 16), thread, threads)
      break
    case 0x508:
      rowSums(a, b, rows, columns, thread, threads)
      break
    case 0x509:
      columnSumsShared(a, b, rows, columns, <usize>load<u32>(at, 16), thread, threads)
      break
    case 0x50a:
      spread(a, b, columns, load<u32>(at, 16), load<u32>(at, 20), first, end)
      break
    case 0x50b:
      countTop(a, b, <usize>load<u32>(at, 16), rows, columns, load<u32>(at, 20), load<u32>(at, 24) != 0, <usize>load<u32>(at, 28), thread, threads)
      break
    case 0x50c:
      finite(a, b, columns, <usize>load<u32>(at, 16), thread, threads)
      break
    default:
      unreachable()
  }
}
