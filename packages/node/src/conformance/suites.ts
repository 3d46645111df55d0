import type { Suite } from './suite.ts'

const crypto = () => import('./suites-crypto.ts')
const ledger = () => import('./suites-ledger.ts')
const work = () => import('./suites-work.ts')
const rules = () => import('./suites-rules.ts')

/** Every published suite that this implementation answers; loaded when asked for, since each brings a part of the house along. */
export const SUITES: ReadonlyMap<string, () => Promise<Suite>> = new Map([
  ['merkle', async () => (await crypto()).merkle],
  ['schnorr', async () => (await crypto()).schnorr],
  ['ed25519', async () => (await crypto()).ed25519],
  ['ecvrf', async () => (await crypto()).ecvrf],
  ['bls', async () => (await crypto()).blsSuite],
  ['tx', async () => (await ledger()).tx],
  ['sighash', async () => (await ledger()).sighash],
  ['address', async () => (await ledger()).address],
  ['wallet', async () => (await ledger()).wallet],
  ['target', async () => (await ledger()).target],
  ['record', async () => (await ledger()).record],
  ['header', async () => (await ledger()).header],
  ['nonce', async () => (await work()).nonce],
  ['update-map', async () => (await work()).updateMap],
  ['apply-map', async () => (await work()).applyMap],
  ['split', async () => (await work()).split],
  ['ring', async () => (await work()).ring],
  ['tensor', async () => (await work()).tensor],
  ['select', async () => (await rules()).select],
  ['payout', async () => (await rules()).payout],
])
