/** Blocks that have the right shape and no meaning, for tests of what only carries them. */
import { blockId, type CertifiedBlock, type Hex } from '@pouw/primitives'

const ZERO: Hex = '00'.repeat(32)

/** A decodable block; another `salt` is another block. */
export function fixtureBlock(parent: Hex, salt: number): { readonly id: Hex; readonly certified: CertifiedBlock } {
  const block: CertifiedBlock['block'] = {
    header: {
      version: 1,
      hashPrevBlock: parent,
      hashMerkleRoot: ZERO,
      time: salt,
      bits: 0x1f3fffff,
      nonce: ZERO,
      hashMsg: ZERO,
      hashMsgHist: ZERO,
    },
    transactions: [],
    work: {
      kind: 'filler',
      ticketId: ZERO,
      iteration: 1,
      endModelHash: ZERO,
      endResidualHash: ZERO,
      map: new Uint8Array(0),
      signature: new Uint8Array(64),
    },
    parentCertificate: [],
  }
  return { id: blockId(block), certified: { block, certificate: [] } }
}

/** A chain of `length` blocks above `parent`. */
export function fixtureChain(parent: Hex, length: number, salt = 0): { readonly id: Hex; readonly certified: CertifiedBlock }[] {
  const chain: ReturnType<typeof fixtureBlock>[] = []
  for (let i = 0; i < length; i++) chain.push(fixtureBlock(chain.at(-1)?.id ?? parent, salt + i))
  return chain
}

export const FIXTURE_GENESIS: Hex = ZERO
