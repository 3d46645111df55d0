// Runs a program: instructions of code, number of words (these two included) and arguments, one after the other.

import { convolution } from './ops/convolution'
import { elementwise } from './ops/elementwise'
import { int8 } from './ops/int8'
import { losses } from './ops/losses'
import { matmul } from './ops/matmul'
import { movement } from './ops/movement'
import { normalization } from './ops/normalization'
import { random } from './ops/random'
import { update } from './ops/update'
import { announce, announcedFrom, announcedTo, barrier, nextStart } from './threads'

/** One thread's part of the instructions in [from, to). */
function execute(from: usize, to: usize, thread: u32, threads: u32): void {
  while (from < to) {
    const code = load<u32>(from)
    const words = load<u32>(from, 4)
    const at = from + 8
    switch (code >> 8) {
      case 1:
        matmul(code, at, thread, threads)
        break
      case 2:
        convolution(code, at, thread, threads)
        break
      case 3:
        elementwise(code, at, thread, threads)
        break
      case 4:
        normalization(code, at, thread, threads)
        break
      case 5:
        losses(code, at, thread, threads)
        break
      case 6:
        random(code, at, thread, threads)
        break
      case 7:
        update(code, at, thread, threads)
        break
      case 8:
        int8(code, at, thread, threads)
        break
      case 9:
        movement(code, at, thread, threads)
        break
      default:
        unreachable()
    }
    from += <usize>words << 2
    barrier(thread, threads)
  }
}

/** Runs the program in [from, to) on all threads; returns when it is done. */
export function run(from: u32, to: u32, threads: u32): void {
  if (threads > 1) announce(from, to)
  execute(from, to, 0, threads)
}

/** The life of thread 1, 2, ...: parts of programs until `dismiss`. Only in the threaded build. */
export function serve(thread: u32, threads: u32): void {
  let generation: u32 = 0
  for (;;) {
    generation = nextStart(generation, thread)
    const from = announcedFrom()
    if (from == 0) return
    execute(from, announcedTo(), thread, threads)
  }
}

/** Lets the other threads return from `serve`. */
export function dismiss(): void {
  announce(0, 0)
}
