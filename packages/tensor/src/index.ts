/**
 * Exact arithmetic for dense nets (profile 1, `f32`): equal input gives equal bits on every machine.
 *
 * Kernels are strict WebAssembly SIMD; a plain TypeScript reference computes the same bits and is the definition that
 * they are tested against. Every rounding and the order of every sum is written down in this package's README.
 */
export { kernelVersion } from '../build/kernels.js'
export type { Activation, DenseLayer, Model, ModelSpec, TensorInfo } from './model.ts'
export { defineModel } from './model.ts'
export type { Net } from './net.ts'
export { createNet } from './net.ts'
export { createXavier, initXavier } from './xavier.ts'
