import { backend } from '#backend'
import type { Bls } from './bls.ts'

export { BLS_DST, BLS_POP_DST } from './bls.ts'

/** BLS signatures with this runtime's backend. */
export const bls: Bls = backend.bls
