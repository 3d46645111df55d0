/**
 * Exact arithmetic (docs/arithmetic.md): equal input gives equal bits on every machine, backend and number of threads.
 *
 * A static graph is built operation by operation, differentiated, planned into one memory and run as one program. Kernels are strict
 * WebAssembly SIMD; a plain TypeScript reference computes the same bits and is the definition that they are tested against.
 */
export { kernelVersion, threadedKernelVersion } from '../build/kernels.js'
export { type Arena, createArena } from './arena.ts'
export { type DifferentiateOptions, differentiate } from './autograd/differentiate.ts'
export { createBackend } from './backend.ts'
export { type ClaimedProduct, freivalds } from './freivalds.ts'
export {
  bytesOf,
  createGraph,
  type DType,
  type Graph,
  type Node,
  type Op,
  type Profile,
  type Shape,
  sizeOf,
  type Value,
} from './graph/graph.ts'
export { graphBytes } from './graph/graph-bytes.ts'
export type { Backend, BackendName, Kernels } from './kernels.ts'
export { createExecutable, createThreadedExecutable, type Executable } from './machine/executable.ts'
export { gelu, sigmoid, silu, tanh } from './ops/activations.ts'
export { attention } from './ops/attention.ts'
export { batchNorm } from './ops/batch-norm.ts'
export { type ConvolutionOptions, conv2d } from './ops/convolution.ts'
export { dropout } from './ops/dropout.ts'
export { add, addBias, addChannelBias, multiply, scaleBy, scaleBytes, subtract } from './ops/elementwise.ts'
export { embedding } from './ops/embedding.ts'
export { binaryCrossEntropy, huber, meanSquaredError, softmaxCrossEntropy } from './ops/losses.ts'
export { matmul } from './ops/matmul.ts'
export { concat, flatten, reshape, slice, transpose } from './ops/movement.ts'
export { groupNorm, instanceNorm, layerNorm, rmsNorm } from './ops/normalization.ts'
export { adam, adamw, momentum, nesterov, rmsprop, type Steps, sgd } from './ops/optimizers.ts'
export { averagePool, globalAveragePool, globalMaxPool, maxPool } from './ops/pooling.ts'
export { columnSums, countCorrect, countTop, finite, rowSums, sumAll } from './ops/reductions.ts'
export { leakyRelu, relu } from './ops/relu.ts'
export { softmax } from './ops/softmax.ts'
export { exchange } from './ops/update-exchange.ts'
export { clipByNorm, clipByValue, meanGradient } from './ops/update-gradient.ts'
export { type Plan, planLike, planMemory } from './plan/plan.ts'
export { writeProgram } from './plan/program.ts'
export { roundBf16 } from './reference/bf16.ts'
export { createThreadedBackend } from './wasm-backend.ts'
export { type Gpu, type GpuNumbers, type GpuOptions, type GpuProduct, type GpuProfile, openGpu } from './webgpu/gpu.ts'
export { createGpuExecutable, type GpuExecutable } from './webgpu/gpu-executable.ts'
export { runOnGpu } from './webgpu/run-on-gpu.ts'
export { tileBits } from './wide/wide.ts'
export { createXavier, initXavier, type TensorLayout } from './xavier.ts'
