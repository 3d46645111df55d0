import {
  bls,
  bytesToHex,
  type EcvrfSuite,
  ecvrfProofToHash,
  ecvrfProve,
  ecvrfPublicKey,
  ecvrfVerify,
  ed25519Verify,
  hexToBytes,
  merkleProof,
  merkleRoot,
  schnorrPublicKey,
  schnorrSign,
  schnorrVerify,
} from '@pouw/crypto'
import { type Input, type Json, MalformedCase } from './input.ts'
import { REFUSED, refusing, type Suite } from './suite.ts'

export const merkle: Suite = (input) => {
  const leaves = input.hexes('leaves').map(hexToBytes)
  const root = bytesToHex(merkleRoot(leaves))
  if (!input.has('index')) return { root }
  const index = input.integer('index')
  return refusing(() => ({ root, proof: merkleProof(leaves, index).map(bytesToHex) }))
}

export const schnorr: Suite = (input) => {
  switch (input.text('op')) {
    case 'sign': {
      const secret = input.bytes('seckey')
      const message = input.bytes('msg')
      const aux = input.bytes('aux', 32)
      // BIP340: a secret key of zero or above the group order fails.
      return refusing(() => ({ pubkey: bytesToHex(schnorrPublicKey(secret)), sig: bytesToHex(schnorrSign(message, secret, aux)) }))
    }
    case 'verify':
      return { valid: schnorrVerify(input.bytes('sig'), input.bytes('msg'), input.bytes('pubkey')) }
    default:
      throw unknownOperation(input)
  }
}

export const ed25519: Suite = (input) => {
  if (input.text('op') !== 'verify') throw unknownOperation(input)
  return { valid: ed25519Verify(input.bytes('sig'), input.bytes('msg'), input.bytes('pubkey')) }
}

export const ecvrf: Suite = (input): Json => {
  const suite = input.text('suite')
  if (suite !== 'ELL2' && suite !== 'TAI') throw new MalformedCase(`unknown ECVRF suite ${suite}`)
  switch (input.text('op')) {
    case 'prove': {
      const seed = input.bytes('seckey', 32)
      const proof = ecvrfProve(suite satisfies EcvrfSuite, seed, input.bytes('alpha'))
      return { pubkey: bytesToHex(ecvrfPublicKey(seed)), proof: bytesToHex(proof), beta: bytesToHex(ecvrfProofToHash(proof, suite)!) }
    }
    case 'verify': {
      const beta = ecvrfVerify(suite, input.bytes('pubkey'), input.bytes('alpha'), input.bytes('proof'))
      return beta ? { valid: true, beta: bytesToHex(beta) } : { valid: false, beta: null }
    }
    default:
      throw unknownOperation(input)
  }
}

export const blsSuite: Suite = (input) => {
  const dst = input.has('dst') ? input.text('dst') : undefined
  switch (input.text('op')) {
    case 'sign': {
      const secret = input.bytes('seckey')
      const message = input.bytes('msg')
      return refusing(() => ({ sig: bytesToHex(bls.sign(secret, message, dst)) }))
    }
    case 'verify':
      return { valid: bls.verify(input.bytes('pubkey'), input.bytes('msg'), input.bytes('sig'), dst) }
    case 'aggregate':
      return signature(bls.aggregateSignatures(input.hexes('sigs').map(hexToBytes)))
    case 'fastAggregateVerify':
      return { valid: bls.fastAggregateVerify(input.hexes('pubkeys').map(hexToBytes), input.bytes('msg'), input.bytes('sig'), dst) }
    case 'combine': {
      const shares = input.list('shares').map((share) => ({ index: share.integer('index'), sig: share.bytes('sig') }))
      return signature(bls.combine(shares))
    }
    default:
      throw unknownOperation(input)
  }
}

function signature(sig: Uint8Array | undefined) {
  return sig ? { sig: bytesToHex(sig) } : REFUSED
}

function unknownOperation(input: Input): MalformedCase {
  return new MalformedCase(`unknown operation ${input.text('op')}`)
}
