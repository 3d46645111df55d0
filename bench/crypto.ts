/** Signatures, proofs and hashes as a node computes them, against the same in the browser's pure JavaScript. */
import {
  bls,
  ecvrfProve,
  ecvrfPublicKey,
  ecvrfVerify,
  ed25519PublicKey,
  ed25519Sign,
  ed25519Verify,
  schnorrPublicKey,
  schnorrSign,
  schnorrVerify,
  sha256,
  sha256d,
  u32le,
} from '@pouw/crypto'
import { createWebBackend } from '../packages/crypto/src/backend/web.ts'
import { sideBySide, WARM_UP } from './measure.ts'
import { type Row, row, type Topic } from './row.ts'

const SECRET = new Uint8Array(32).fill(5)
const HEADER = new Uint8Array(172).fill(1)
const MODEL = new Uint8Array(4 * 109_386).fill(2)
/** The committee of the example: three of four sign. */
const SIGNERS = 3

export const crypto: Topic = async ({ effort, say }) => {
  const web = createWebBackend()
  const rows: Row[] = []
  const both = (name: string, unit: 'ms' | 'us', node: () => unknown, browser?: () => unknown) => {
    say(name)
    const use = unit === 'us' ? effort : single
    const factor = unit === 'us' ? 1000 : 1
    const ms: { node: number; browser?: number } = browser ? sideBySide({ node, browser }, use) : sideBySide({ node }, use)
    rows.push(row(name, ms.node * factor, unit, ms.browser === undefined ? {} : { baseline: ms.browser * factor }))
  }
  /** Works of a millisecond and more are timed one by one; each verification needs an input of its own. */
  const single = { samples: effort.samples, sampleMs: 0 }
  const prepared = effort.samples + WARM_UP
  let counter = 0
  const fresh = () => u32le(counter++)
  /** A work that verifies another prepared input each time and insists on the answer. */
  const each = <T>(make: (message: Uint8Array) => T, verify: (input: T, message: Uint8Array) => boolean) => {
    const inputs = Array.from({ length: prepared }, () => {
      const message = fresh()
      return { message, made: make(message) }
    })
    let next = 0
    return () => {
      const input = inputs[next++]
      if (!input) throw new Error('more verifications than prepared inputs')
      if (!verify(input.made, input.message)) throw new Error('a right signature was refused')
    }
  }

  both(
    'BLS sign',
    'ms',
    () => bls.sign(SECRET, fresh()),
    () => web.bls.sign(SECRET, fresh()),
  )
  const publicKey = bls.publicKey(SECRET)
  both(
    'BLS verify',
    'ms',
    each(
      (message) => bls.sign(SECRET, message),
      (signature, message) => bls.verify(publicKey, message, signature),
    ),
    each(
      (message) => bls.sign(SECRET, message),
      (signature, message) => web.bls.verify(publicKey, message, signature),
    ),
  )
  const secrets = Array.from({ length: SIGNERS }, (_, i) => new Uint8Array(32).fill(i + 1))
  const publicKeys = secrets.map((secret) => bls.publicKey(secret))
  both(
    `BLS verify the aggregate of ${SIGNERS}`,
    'ms',
    each(
      (message) => bls.aggregateSignatures(secrets.map((secret) => bls.sign(secret, message)))!,
      (signature, message) => bls.fastAggregateVerify(publicKeys, message, signature),
    ),
  )
  both('Schnorr (BIP340) sign', 'ms', () => schnorrSign(fresh(), SECRET))
  const schnorrKey = schnorrPublicKey(SECRET)
  both(
    'Schnorr (BIP340) verify',
    'ms',
    each(
      (message) => schnorrSign(message, SECRET),
      (signature, message) => schnorrVerify(signature, message, schnorrKey),
    ),
  )
  const edKey = ed25519PublicKey(SECRET)
  both(
    'Ed25519 sign',
    'us',
    () => ed25519Sign(fresh(), SECRET),
    () => web.ed25519.sign(fresh(), SECRET),
  )
  const signed = fresh()
  const signature = ed25519Sign(signed, SECRET)
  both(
    'Ed25519 verify, strict',
    'us',
    () => ed25519Verify(signature, signed, edKey),
    () => web.ed25519.equationHolds(signature, signed, edKey),
  )
  both('ECVRF prove', 'ms', () => ecvrfProve('ELL2', SECRET, fresh()))
  const vrfKey = ecvrfPublicKey(SECRET)
  both(
    'ECVRF verify',
    'ms',
    each(
      (message) => ecvrfProve('ELL2', SECRET, message),
      (proof, message) => ecvrfVerify('ELL2', vrfKey, message, proof) !== undefined,
    ),
  )
  both(
    'SHA-256d of a header of 172 bytes',
    'us',
    () => sha256d(HEADER),
    () => web.sha256d(HEADER),
  )
  both(
    'SHA-256 of a model of 109,386 parameters',
    'ms',
    () => sha256(MODEL),
    () => web.sha256(MODEL),
  )
  return rows
}
