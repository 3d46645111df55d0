import { backend } from '#backend'
import { BLS_DST, type Bls } from './bls.ts'
import { utf8 } from './bytes.ts'
import { createRemembered } from './remembered.ts'

export { BLS_DST, BLS_POP_DST } from './bls.ts'

const verified = createRemembered<boolean>(4096)

/** BLS signatures with this runtime's backend; verifications are remembered, since a certificate is looked at in several places. */
export const bls: Bls = {
  ...backend.bls,
  verify: (publicKey, message, signature, dst = BLS_DST) =>
    verified([publicKey, message, signature, utf8(dst)], () => backend.bls.verify(publicKey, message, signature, dst)),
  fastAggregateVerify: (publicKeys, message, signature, dst = BLS_DST) =>
    verified([...publicKeys, message, signature, utf8(dst)], () => backend.bls.fastAggregateVerify(publicKeys, message, signature, dst)),
}
