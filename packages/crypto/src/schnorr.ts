import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { createRemembered } from './remembered.ts'

const verified = createRemembered<boolean>(4096)
const ZERO_AUX = new Uint8Array(32)

/**
 * The x-only public key (32 bytes) of a secret key, BIP340.
 * @throws TypeError if the key is not 32 bytes; RangeError if it is zero or not below the group order
 */
export function schnorrPublicKey(secretKey: Uint8Array): Uint8Array {
  return schnorr.getPublicKey(assertSecretKey(secretKey))
}

/**
 * A BIP340 signature (64 bytes) over a message of any length. The default auxiliary bytes are zero, so that the
 * same key and message give the same signature on every run.
 * @throws TypeError on wrong lengths; RangeError if the key is out of range
 */
export function schnorrSign(message: Uint8Array, secretKey: Uint8Array, aux: Uint8Array = ZERO_AUX): Uint8Array {
  if (!(aux instanceof Uint8Array) || aux.length !== 32) throw new TypeError('schnorrSign: expected 32 auxiliary bytes')
  return schnorr.sign(message, assertSecretKey(secretKey), aux)
}

/**
 * BIP340 verification; never throws, wrong lengths are `false`. A signature with s = 0 is refused, which no
 * signer can meet by chance.
 */
export function schnorrVerify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false
  return verified([signature, message, publicKey], () => schnorr.verify(signature, message, publicKey))
}

function assertSecretKey(secretKey: Uint8Array): Uint8Array {
  if (!(secretKey instanceof Uint8Array) || secretKey.length !== 32) throw new TypeError('schnorr: expected a secret key of 32 bytes')
  if (!secp256k1.utils.isValidSecretKey(secretKey)) throw new RangeError('schnorr: the secret key is zero or not below the group order')
  return secretKey
}
