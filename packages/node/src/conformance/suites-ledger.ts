import { bytesToHex } from '@pouw/crypto'
import {
  bitsToTarget,
  type ChainRecord,
  decodeAddress,
  decodeHeader,
  decodeRecord,
  decodeTx,
  deriveWalletPath,
  encodeAddress,
  encodeHeader,
  encodeRecord,
  encodeTx,
  type Header,
  type Hex,
  headerId,
  parseScript,
  printHash,
  RECORD_CODES,
  recordScript,
  signatureHash,
  targetToWork,
  txId,
  txWeight,
  wtxId,
  zeroNonceHash,
} from '@pouw/primitives'
import { type Input, type Json, MalformedCase } from './input.ts'
import { expectedField, REFUSED, refusing, type Suite } from './suite.ts'

/** An id as bytes, or reversed as Bitcoin prints it: both name the same, so the case's own spelling is used. */
function spelled(id: Hex, expected: Json | undefined): Hex {
  return expected === id ? id : printHash(id)
}

export const tx: Suite = (input, expected) => {
  const decoded = decodeTx(input.bytes('raw'))
  if (!decoded) return REFUSED
  return {
    txid: spelled(txId(decoded), expectedField(expected, 'txid')),
    wtxid: spelled(wtxId(decoded), expectedField(expected, 'wtxid')),
    weight: txWeight(decoded),
    raw: bytesToHex(encodeTx(decoded)),
  }
}

export const sighash: Suite = (input) => {
  const decoded = decodeTx(input.bytes('raw'))
  if (!decoded) return REFUSED
  const prevouts = input.list('prevouts').map((prevout) => ({ amount: prevout.u64('amount'), script: prevout.bytes('script') }))
  const index = input.integer('inputIndex')
  const hashType = input.integer('hashType', 255)
  return refusing(() => ({ sighash: bytesToHex(signatureHash(decoded, index, prevouts, hashType)) }))
}

export const address: Suite = (input) => {
  const hrp = input.text('hrp')
  if (input.has('address')) {
    const decoded = decodeAddress(hrp, input.text('address'))
    return decoded ? { version: decoded.version, program: bytesToHex(decoded.program) } : REFUSED
  }
  const version = input.integer('version')
  const program = input.bytes('program')
  return refusing(() => ({ address: encodeAddress(hrp, version, program) }))
}

export const wallet: Suite = (input) => {
  const mnemonic = input.text('mnemonic')
  const passphrase = input.text('passphrase')
  const path = input.text('path')
  return refusing(() => {
    const { seed, privkey, pubkey } = deriveWalletPath(mnemonic, passphrase, path)
    return { seed: bytesToHex(seed), privkey: bytesToHex(privkey), pubkey }
  })
}

export const target: Suite = (input) => {
  const value = bitsToTarget(input.integer('bits', 0xffff_ffff))
  if (value === undefined) return REFUSED
  return { target: value.toString(16).padStart(64, '0'), work: targetToWork(value).toString() }
}

export const record: Suite = (input, expected) => {
  if (input.has('script')) {
    const parsed = parseScript(input.bytes('script'))
    const decoded = parsed.kind === 'record' ? decodeRecord(parsed.record) : undefined
    if (!decoded) return REFUSED
    const { type, ...fields } = decoded
    return { type: typeof expectedField(expected, 'type') === 'number' ? RECORD_CODES[type] : type, fields: plain(fields) }
  }
  const type = input.raw('type')
  const name = Object.entries(RECORD_CODES).find(([known, code]) => known === type || code === type)?.[0]
  if (name === undefined) throw new MalformedCase(`unknown record type ${JSON.stringify(type)}`)
  const fields = input.object('fields')
  const value: { [key: string]: unknown } = { type: name, flags: 0, taskId: '00'.repeat(32) }
  for (const key of Object.keys(input.raw('fields') as object)) value[key] = recordField(fields, key)
  return refusing(() => ({ script: bytesToHex(recordScript(encodeRecord(value as unknown as ChainRecord))) }))
}

/** 64-bit fields of A28; everything else is a small integer, a float (tau) or hex. */
const AMOUNTS = new Set(['fee', 'minStake', 'price', 'feeTotal', 'totalPaid', 'confiscated', 'amount'])

function recordField(fields: Input, key: string): unknown {
  if (AMOUNTS.has(key)) return fields.u64(key)
  if (key === 'tau') return fields.float(key)
  const found = fields.raw(key)
  return typeof found === 'string' ? fields.hex(key) : fields.integer(key)
}

export const header: Suite = (input, expected) => {
  if (input.has('raw')) {
    const decoded = decodeHeader(input.bytes('raw'))
    return decoded ? { ...decoded } : REFUSED
  }
  const value: Header = {
    // Bitcoin's version is signed; a case may write the same four bytes as an unsigned number.
    version: Number(input.raw('version')) | 0,
    hashPrevBlock: input.hex('hashPrevBlock', 32),
    hashMerkleRoot: input.hex('hashMerkleRoot', 32),
    time: input.integer('time', 0xffff_ffff),
    bits: input.integer('bits', 0xffff_ffff),
    nonce: input.hex('nonce', 32),
    hashMsg: input.hex('hashMsg', 32),
    hashMsgHist: input.hex('hashMsgHist', 32),
  }
  return refusing(() => ({
    raw: bytesToHex(encodeHeader(value)),
    id: idOf(headerId(value), 'id'),
    zeroNonceHash: idOf(zeroNonceHash(value), 'zeroNonceHash'),
  }))

  // The documented convention is plain bytes; a case that prints the id reversed means the same.
  function idOf(id: Hex, field: string): Hex {
    return expectedField(expected, field) === printHash(id) ? printHash(id) : id
  }
}

/** Decoded values as a case writes them: amounts as decimal strings, bytes as hex. */
function plain(fields: object): { [key: string]: Json } {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      typeof value === 'bigint' ? value.toString() : value instanceof Uint8Array ? bytesToHex(value) : (value as Json),
    ]),
  )
}
