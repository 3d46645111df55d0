import { bls, ecvrfVerify, schnorrVerify, u32le } from '@pouw/crypto'

/** Verifications that the crypto package remembers, and messages whose curve point it keeps. */
const REMEMBERED = 4096
const MESSAGES = 32
const KEY = new Uint8Array(32).fill(9)
let counter = 0

/**
 * Makes the crypto package forget every verification it remembers, by asking it for so many others: a node that sees a block for the first
 * time has not met its signatures. Public keys stay parsed, as those of a running task are.
 */
export function forgetVerifications(): void {
  for (let i = 0; i < REMEMBERED; i++) {
    const message = u32le(counter++)
    // Refused at their first bytes, so that forgetting takes milliseconds.
    bls.verify(new Uint8Array(0), message, new Uint8Array(0))
    ecvrfVerify('ELL2', new Uint8Array(0), message, new Uint8Array(0))
    schnorrVerify(new Uint8Array(64).fill(0xff), message, new Uint8Array(32).fill(0xff))
  }
  for (let i = 0; i < MESSAGES; i++) bls.sign(KEY, u32le(counter++))
}
