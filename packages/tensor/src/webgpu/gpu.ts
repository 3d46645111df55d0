import { findGpu } from '#gpu'
import type { Profile } from '../graph/graph.ts'
import { bf16Shader } from './bf16-shader.ts'
import { int8Shader, tile } from './int8-shader.ts'
import { selfTest } from './self-test.ts'

/** The profiles whose products a graphics processor may make. */
export type GpuProfile = Exclude<Profile, 'f32'>

/** What their operands are: int8 numbers, or binary32 that are bf16 numbers. */
export type GpuNumbers = Int8Array | Float32Array

const SHADERS: Readonly<Record<GpuProfile, string>> = { int8x: int8Shader, bf16x: bf16Shader }

/** One product as its instruction says it, over numbers instead of addresses. */
export interface GpuProduct {
  readonly kind: 0 | 1 | 2
  readonly m: number
  readonly n: number
  readonly k: number
  /** In numbers. */
  readonly lda: number
  readonly ldb: number
  readonly ldc: number
  readonly outer: number
  readonly inner: number
  /** [a outer, a inner, b outer, b inner, c outer, c inner], in numbers. */
  readonly steps: readonly number[]
  /** Products along outer are added up; of int8 numbers only. */
  readonly sum: boolean
  /** Where A and B begin. */
  readonly offsets: readonly [number, number]
}

/** A graphics processor that has shown that it computes the products of a profile to the bit. */
export interface Gpu {
  /** What it calls itself. */
  readonly name: string
  readonly profile: GpuProfile
  /** C, words of int32 or binary32, `size` of them; those that the product does not make are 0. Rejects if the device is lost. */
  product(product: GpuProduct, a: GpuNumbers, b: GpuNumbers, size: number): Promise<Uint32Array>
  close(): void
}

/** Dawn lives as long as somebody holds what `create` answered, and takes the process with it if it goes earlier: open devices hold theirs. */
const held = new Map<GPUDevice, GPU>()

export interface GpuOptions {
  /** Default `int8x`. */
  readonly profile?: GpuProfile
  /** Takes one line for people: which device serves, or why none does. */
  readonly log?: (line: string) => void
  /** Default: the browser's WebGPU, or the package `webgpu` in Node. */
  readonly gpu?: GPU
  /** Another shader than ours, to see it refused. */
  readonly shader?: string
}

/**
 * Opens the graphics processor and holds it to WebAssembly's bits on products of all kinds (`selfTest`). Answers `undefined`, with a line to `log`, if there is
 * none or one bit differs: products are then WebAssembly's.
 */
export async function openGpu({
  profile = 'int8x',
  log = () => {},
  gpu,
  shader = SHADERS[profile],
}: GpuOptions = {}): Promise<Gpu | undefined> {
  const provider = gpu ?? (await findGpu())
  if (typeof provider === 'string') {
    log(`WebGPU: ${provider}; ${profile} products run in WebAssembly`)
    return undefined
  }
  let opened: Gpu | undefined
  try {
    opened = await open(provider, profile, shader)
  } catch (error) {
    log(`WebGPU: ${(error as Error).message}; ${profile} products run in WebAssembly`)
    return undefined
  }
  if (!opened) {
    log(`WebGPU: no adapter; ${profile} products run in WebAssembly`)
    return undefined
  }
  const wrong = await selfTest(opened).catch((error: Error) => error.message)
  if (wrong !== undefined) {
    log(`WebGPU: ${opened.name} is refused, since it does not compute what WebAssembly computes: ${wrong}`)
    opened.close()
    return undefined
  }
  log(`WebGPU: ${profile} products run on ${opened.name}; its self-test gave WebAssembly's bits`)
  return opened
}

async function open(provider: GPU, profile: GpuProfile, shader: string): Promise<Gpu | undefined> {
  const adapter = await provider.requestAdapter()
  if (!adapter) return undefined
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits
  const device = await adapter.requestDevice({ requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } })
  const { vendor, architecture, description } = adapter.info
  const module = device.createShaderModule({ code: shader })
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } })
  const STORAGE = 0x80
  const [COPY_SRC, COPY_DST, MAP_READ] = [0x4, 0x8, 0x1]
  const rounded = (bytes: number) => Math.max(16, Math.ceil(bytes / 4) * 4)

  function upload(data: ArrayBufferView<ArrayBuffer>): GPUBuffer {
    const buffer = device.createBuffer({ size: rounded(data.byteLength), usage: STORAGE | COPY_DST, mappedAtCreation: true })
    new Uint8Array(buffer.getMappedRange()).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    buffer.unmap()
    return buffer
  }

  held.set(device, provider)
  return {
    name: [vendor, architecture, description].filter((part) => part !== '').join(' ') || 'a device without a name',
    profile,
    async product({ kind, m, n, k, lda, ldb, ldc, outer, inner, steps, sum, offsets }, a, b, size) {
      const words = [kind, m, n, k, lda, ldb, ldc, outer, inner, ...steps, sum ? 1 : 0, ...offsets]
      const bytes = 4 * size
      const grid = upload(Uint32Array.from(words))
      const left = upload(a as GpuNumbers & ArrayBufferView<ArrayBuffer>)
      const right = upload(b as GpuNumbers & ArrayBufferView<ArrayBuffer>)
      const result = device.createBuffer({ size: rounded(bytes), usage: STORAGE | COPY_SRC })
      const staging = device.createBuffer({ size: rounded(bytes), usage: COPY_DST | MAP_READ })
      try {
        const group = device.createBindGroup({
          layout: pipeline.getBindGroupLayout(0),
          entries: [grid, left, right, result].map((buffer, binding) => ({ binding, resource: { buffer } })),
        })
        const encoder = device.createCommandEncoder()
        const pass = encoder.beginComputePass()
        pass.setPipeline(pipeline)
        pass.setBindGroup(0, group)
        pass.dispatchWorkgroups(Math.ceil(n / tile), Math.ceil(m / tile), sum ? inner : outer * inner)
        pass.end()
        encoder.copyBufferToBuffer(result, 0, staging, 0, rounded(bytes))
        device.queue.submit([encoder.finish()])
        await staging.mapAsync(MAP_READ)
        return new Uint32Array(staging.getMappedRange().slice(0, bytes))
      } finally {
        for (const buffer of [grid, left, right, result, staging]) buffer.destroy()
      }
    },
    close() {
      device.destroy()
      held.delete(device)
    },
  }
}
