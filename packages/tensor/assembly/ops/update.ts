import { clip, clipToNorm, globalNorm, scaleBy } from '../gradients'
import { adam, momentum, rmsprop, sgd } from '../optimizers'
import { threadedExchange } from '../threaded-exchange'

/**
 * Family 7, steps over the flat arrays of all parameters. 0x701 scale, 0x702 clip by value, 0x703 global norm, 0x704 clip to a norm,
 * 0x705 SGD, 0x706 momentum, 0x707 Nesterov, 0x708 RMSProp, 0x709 Adam, 0x70a AdamW, 0x70b exchange.
 */
export function update(code: u32, at: usize, thread: u32, threads: u32): void {
  if (code == 0x701) scaleBy(at, thread, threads)
  else if (code == 0x702) clip(at, thread, threads)
  else if (code == 0x703) globalNorm(at, thread, threads)
  else if (code == 0x704) clipToNorm(at, thread, threads)
  else if (code == 0x705) sgd(at, thread, threads)
  else if (code == 0x706) momentum(at, thread, threads, false)
  else if (code == 0x707) momentum(at, thread, threads, true)
  else if (code == 0x708) rmsprop(at, thread, threads)
  else if (code == 0x709) adam(at, thread, threads, false)
  else if (code == 0x70a) adam(at, thread, threads, true)
  else if (code == 0x70b) threadedExchange(at, thread, threads)
  else unreachable()
}
