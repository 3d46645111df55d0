import type { LayerSpec } from '@pouw/primitives'

/** One pre-norm block: x + attention(norm x), then that + mlp of its norm. A segment of its own. */
export function transformerBlock(name: string, from: string, heads: number, width: number, causal: boolean, epsilon: number): LayerSpec[] {
  const segment = name
  return [
    { id: `${name}.norm1`, type: 'layer-norm', epsilon, inputs: [from], segment },
    { id: `${name}.attention`, type: 'attention', heads, causal, segment },
    { id: `${name}.add1`, type: 'add', inputs: [from, `${name}.attention`], segment },
    { id: `${name}.norm2`, type: 'layer-norm', epsilon, segment },
    { id: `${name}.up`, nodes: 4 * width, activation: 'gelu', segment },
    { id: `${name}.down`, nodes: width, segment },
    { id: `${name}.add2`, type: 'add', inputs: [`${name}.add1`, `${name}.down`], segment },
  ]
}
