// The threads of one step: who does what part, when all wait for all, and how the others are woken (README, "Threads").
//
// One program runs on every thread; an operation divides its rows among them and a barrier follows every instruction. What a
// thread gets never changes a sum, so the number of threads never changes a bit. The block below is the only shared state.

// Words of the control block, at fixed offsets below all data.
export const CONTROL: usize = 64
const GENERATION: usize = CONTROL // counts starts
const FROM: usize = CONTROL + 4
const TO: usize = CONTROL + 8
const ARRIVED: usize = CONTROL + 64 // threads at the barrier
const PHASE: usize = CONTROL + 128 // counts barriers
const SLEEPERS: usize = CONTROL + 192 // threads that wait in the kernel's queue

/** Turns of a waiting thread before it goes to sleep: about a millisecond. */
const SPINS: u32 = 200000

/** The first of n units that a thread works on, in multiples of `grain`; the next thread's first is this one's end. */
// @ts-ignore: decorator
@inline
export function share(n: u32, grain: u32, thread: u32, threads: u32): u32 {
  return min(n, <u32>((<u64>((n + grain - 1) / grain) * thread) / threads) * grain)
}

/** Returns when every thread has called it. Thread 0 never sleeps: a browser's main thread may not. */
export function barrier(thread: u32, threads: u32): void {
  if (threads == 1) return
  if (ASC_FEATURE_THREADS) {
    const phase = atomic.load<u32>(PHASE)
    if (atomic.add<u32>(ARRIVED, 1) + 1 == threads) {
      atomic.store<u32>(ARRIVED, 0)
      atomic.add<u32>(PHASE, 1)
      wake(PHASE)
    } else {
      awaitChange(PHASE, phase, thread)
    }
  }
}

/** Returns when the word no longer holds `value`. */
function awaitChange(word: usize, value: u32, thread: u32): void {
  if (ASC_FEATURE_THREADS) {
    for (;;) {
      for (let i: u32 = 0; i < SPINS; i++) if (atomic.load<u32>(word) != value) return
      if (thread == 0) continue
      atomic.add<u32>(SLEEPERS, 1)
      atomic.wait<i32>(word, value, -1)
      atomic.sub<u32>(SLEEPERS, 1)
      if (atomic.load<u32>(word) != value) return
    }
  }
}

// @ts-ignore: decorator
@inline
function wake(word: usize): void {
  if (ASC_FEATURE_THREADS) if (atomic.load<u32>(SLEEPERS) != 0) atomic.notify(word, -1)
}

/** Sets the other threads off on [from, to); from = 0 sends them home. */
export function announce(from: u32, to: u32): void {
  if (ASC_FEATURE_THREADS) {
    atomic.store<u32>(FROM, from)
    atomic.store<u32>(TO, to)
    atomic.add<u32>(GENERATION, 1)
    atomic.notify(GENERATION, -1)
  }
}

/** Waits for the start after `generation` and answers its number. */
export function nextStart(generation: u32, thread: u32): u32 {
  if (ASC_FEATURE_THREADS) {
    awaitChange(GENERATION, generation, thread)
    return atomic.load<u32>(GENERATION)
  }
  return generation
}

export function announcedFrom(): u32 {
  return ASC_FEATURE_THREADS ? atomic.load<u32>(FROM) : 0
}

export function announcedTo(): u32 {
  return ASC_FEATURE_THREADS ? atomic.load<u32>(TO) : 0
}
