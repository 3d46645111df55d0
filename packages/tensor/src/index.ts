/**
 * Exact arithmetic for dense nets (profile 1, `f32`): equal input gives equal bits on every machine.
 *
 * Kernels are strict WebAssembly SIMD; a plain TypeScript reference computes the same bits and is the definition that
 * they are tested against. Every rounding and the order of every sum is written down in this package's README.
 */
export { kernelVersion } from '../build/kernels.js'
export { differentiate } from './autograd/differentiate.ts'
export type { Graph, Profile, Value } from './graph/graph.ts'
export { createGraph } from './graph/graph.ts'
export type { Executable } from './machine/executable.ts'
export { createExecutable, createThreadedExecutable } from './machine/executable.ts'
export type { Activation, DenseLayer, Model, ModelSpec, TensorInfo } from './model.ts'
export { defineModel } from './model.ts'
export type { Net } from './net.ts'
export { createNet } from './net.ts'
export { batchNorm } from './ops/batch-norm.ts'
export { dropout } from './ops/dropout.ts'
export { add, addBias, addChannelBias, multiply, scaleBytes } from './ops/elementwise.ts'
export { embedding } from './ops/embedding.ts'
export { binaryCrossEntropy, huber, meanSquaredError, softmaxCrossEntropy } from './ops/losses.ts'
export { matmul } from './ops/matmul.ts'
export { concat, flatten, reshape, slice, transpose } from './ops/movement.ts'
export { groupNorm, instanceNorm, layerNorm, rmsNorm } from './ops/normalization.ts'
export { countCorrect, sumAll } from './ops/reductions.ts'
export { leakyRelu, relu } from './ops/relu.ts'
export { softmax } from './ops/softmax.ts'
export { createXavier, initXavier } from './xavier.ts'
