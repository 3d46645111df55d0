/** Addresses: bech32 for witness version 0, bech32m for the rest (BIP173, BIP350), with the network's own prefix. */
import { bech32, bech32m } from '@scure/base'

/** @throws RangeError for an impossible version or program length */
export function encodeAddress(hrp: string, version: number, program: Uint8Array): string {
  if (!isProgram(version, program)) throw new RangeError(`no witness program: version ${version}, ${program.length} bytes`)
  const coder = version === 0 ? bech32 : bech32m
  return coder.encode(hrp, [version, ...coder.toWords(program)])
}

/** Undefined unless the address is valid and of this network. */
export function decodeAddress(hrp: string, address: string): { readonly version: number; readonly program: Uint8Array } | undefined {
  for (const coder of [bech32, bech32m]) {
    try {
      const { prefix, words } = coder.decode(address as `${string}1${string}`, 90)
      const version = words[0]
      if (prefix !== hrp || version === undefined || (version === 0) !== (coder === bech32)) continue
      const program = coder.fromWords(words.slice(1))
      if (isProgram(version, program)) return { version, program }
    } catch {
      // Not of this checksum; the other one may fit.
    }
  }
  return undefined
}

function isProgram(version: number, program: Uint8Array): boolean {
  if (!Number.isInteger(version) || version < 0 || version > 16) return false
  if (program.length < 2 || program.length > 40) return false
  return version !== 0 || program.length === 20 || program.length === 32
}
