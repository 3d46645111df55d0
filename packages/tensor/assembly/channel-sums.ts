import { sumLanes } from './reductions'
import { share } from './threads'

/** out[channels] of x[images, channels, positions]: positions by 16 lanes, images in chunks of 256 ascending, chunk sums ascending. */
export function channelSums(images: u32, channels: u32, positions: u32, x: usize, out: usize, thread: u32, threads: u32): void {
  const end = share(channels, 1, thread + 1, threads)
  for (let c = share(channels, 1, thread, threads); c < end; c++) {
    let total: f32 = 0
    for (let first: u32 = 0; first < images; first += 256) {
      const last = min(images, first + 256)
      let sum: f32 = 0
      for (let i = first; i < last; i++) sum += sumLanes(x + (<usize>(i * channels + c) * (<usize>positions << 2)), positions)
      total = first == 0 ? sum : total + sum
    }
    store<f32>(out + (<usize>c << 2), total)
  }
}
