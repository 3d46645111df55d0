/**
 * One seed phrase per operator (D9). The wallet key is BIP86 (taproot, tweaked: signatures by it verify under the output key);
 * ticket, BLS and peer keys are HKDF-SHA256 outputs of the BIP39 seed under an ASCII path.
 */
import { bls, bytesToHex, ed25519PublicKey, hkdfSha256, schnorrPublicKey, utf8 } from '@pouw/crypto'
import { HDKey } from '@scure/bip32'
import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { taprootTweakPrivKey } from '@scure/btc-signer/utils.js'
import type { Hex } from './codec.ts'

export interface Keys {
  /** Secret of the taproot output key (already tweaked). */
  readonly walletKey: Uint8Array
  /** x-only output key: owner of coins and tickets. */
  readonly walletPublic: Hex
  /** Ed25519 seed: VRF and messages (A23). */
  readonly ticketSeed: Uint8Array
  readonly ticketPublic: Hex
  readonly blsSecret: Uint8Array
  readonly blsPublic: Uint8Array
  /** Ed25519 seed of the libp2p identity. */
  readonly peerSeed: Uint8Array
}

/** @throws TypeError if the phrase is no valid BIP39 mnemonic */
export function deriveKeys(mnemonic: string, passphrase = '', coinType = 0): Keys {
  if (!validateMnemonic(mnemonic, wordlist)) throw new TypeError('the seed phrase is not a valid BIP39 mnemonic: check words and checksum')
  const seed = mnemonicToSeedSync(mnemonic, passphrase)
  const leaf = HDKey.fromMasterSeed(seed).derive(`m/86'/${coinType}'/0'/0/0`)
  const walletKey = taprootTweakPrivKey(leaf.privateKey!)
  const derive = (path: string) => hkdfSha256(seed, new Uint8Array(0), utf8(path), 32)
  const ticketSeed = derive('pouw/ticket/0')
  const blsSecret = bls.keyFromSeed(derive('pouw/bls/0'))
  return {
    walletKey,
    walletPublic: bytesToHex(schnorrPublicKey(walletKey)),
    ticketSeed,
    ticketPublic: bytesToHex(ed25519PublicKey(ticketSeed)),
    blsSecret,
    blsPublic: bls.publicKey(blsSecret),
    peerSeed: derive('pouw/peer/0'),
  }
}

/** Plain BIP39 / BIP32 derivation: seed, private key and untweaked x-only public key at a path. @throws on a malformed phrase or path */
export function deriveWalletPath(
  mnemonic: string,
  passphrase: string,
  path: string,
): { readonly seed: Uint8Array; readonly privkey: Uint8Array; readonly pubkey: Hex } {
  const seed = mnemonicToSeedSync(mnemonic, passphrase)
  const leaf = HDKey.fromMasterSeed(seed).derive(path)
  return { seed, privkey: leaf.privateKey!, pubkey: bytesToHex(schnorrPublicKey(leaf.privateKey!)) }
}

/** 12 words from 16 bytes of entropy. */
export function newMnemonic(entropy: Uint8Array): string {
  return entropyToMnemonic(entropy, wordlist)
}
