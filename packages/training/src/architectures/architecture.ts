import type { ModelSpec } from '@pouw/primitives'
import { type CnnOptions, cnn } from './cnn.ts'
import { type GptOptions, gpt } from './gpt.ts'
import { type MlpOptions, mlp } from './mlp.ts'
import { type ResnetOptions, resnet } from './resnet.ts'
import { type VitOptions, vit } from './vit.ts'

/** An architecture by name, with its options. */
export type Architecture =
  | ({ readonly name: 'mlp' } & MlpOptions)
  | ({ readonly name: 'cnn' } & CnnOptions)
  | ({ readonly name: 'resnet' } & ResnetOptions)
  | ({ readonly name: 'vit' } & VitOptions)
  | ({ readonly name: 'gpt' } & GptOptions)

const OPTIONS: { readonly [name in Architecture['name']]: readonly string[] } = {
  mlp: ['inputs', 'hidden', 'classes', 'activation'],
  cnn: ['input', 'filters', 'classes'],
  resnet: ['depth', 'stem', 'classes'],
  vit: ['image', 'channels', 'patch', 'layers', 'heads', 'width', 'classes'],
  gpt: ['layers', 'heads', 'width', 'time', 'vocabulary', 'tied'],
}

/** @throws RangeError for an unknown name or option, or options out of range */
export function architecture(wanted: Architecture): ModelSpec {
  if (Object.hasOwn(OPTIONS, wanted.name)) {
    const known = OPTIONS[wanted.name]
    const unknown = Object.keys(wanted).find((key) => key !== 'name' && !known.includes(key))
    if (unknown !== undefined) throw new RangeError(`architecture ${wanted.name}: expected ${known.join(', ')}, received ${unknown}`)
  }
  switch (wanted.name) {
    case 'mlp':
      return mlp(wanted)
    case 'cnn':
      return cnn(wanted)
    case 'resnet':
      return resnet(wanted)
    case 'vit':
      return vit(wanted)
    case 'gpt':
      return gpt(wanted)
    default:
      throw new RangeError(`architecture: expected mlp, cnn, resnet, vit or gpt, received ${String((wanted as { name: unknown }).name)}`)
  }
}
