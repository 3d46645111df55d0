import type { Model } from './model.ts'

export interface Net {
  readonly model: Model
}

export function createNet(model: Model): Net {
  return { model }
}
