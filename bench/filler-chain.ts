/** A chain of real filler blocks with real certificates, mined as fast as the machine can: material for the store. */
import { buildTemplate, createChain, type Genesis, workTarget } from '@pouw/chain'
import { ed25519Sign, sha256, u32le, utf8 } from '@pouw/crypto'
import {
  type Block,
  blockId,
  type CertifiedBlock,
  type Digest,
  deriveKeys,
  encodeHeader,
  type Hex,
  newMnemonic,
  ZERO_NONCE_HEADER_BYTES,
  zeroNonceHash,
} from '@pouw/primitives'
import { createComputer, devnetParams, makeGenesis, type RoleName } from '@pouw/protocol'
import { fillerSeed } from '@pouw/training'
import { fillerBudget, fillerSigned } from '../packages/protocol/src/verification/evidence.ts'
import { drawVerifier, quorumOf, signDigest } from '../packages/protocol/src/verification/sortition.ts'

const ROLES: readonly RoleName[] = ['miner', 'verifier', 'verifier', 'verifier', 'verifier']
const START_S = 1_767_225_600
const ZERO: Hex = '00'.repeat(32)

export function mineFillerChain(length: number): { readonly genesis: Genesis; readonly blocks: readonly CertifiedBlock[] } {
  const seedPhrases = ROLES.map((_, index) => newMnemonic(sha256(utf8('pouw bench'), u32le(index)).slice(0, 16)))
  const devnet = devnetParams(START_S)
  // The easiest target, and a block just in time each time, so that it stays the easiest.
  const genesis = makeGenesis({ roles: ROLES, seedPhrases, nowS: START_S, params: { ...devnet, genesisBits: devnet.limitBits } })
  const { params } = genesis
  const chain = createChain(genesis)
  const computer = createComputer({ filler: params.filler })
  const keys = seedPhrases.map((phrase) => deriveKeys(phrase))
  const ticketOf = (index: number) =>
    chain
      .view()
      .tickets({})
      .find((ticket) => ticket.vrfKey === keys[index]!.ticketPublic)!.id
  const tickets = ROLES.map((_, index) => ticketOf(index))
  const blocks: CertifiedBlock[] = []
  for (let attempt = 0; blocks.length < length; attempt++) {
    const block = mine(attempt)
    if (!block) continue
    const certified = { block, certificate: certify(block) }
    const { verdict } = chain.connect(certified)
    if (!verdict.ok) throw new Error(`own block refused: ${verdict.code}`)
    blocks.push(certified)
  }
  return { genesis, blocks }

  /** One run of filler work; `undefined` if none of its nonces is lucky. */
  function mine(attempt: number): Block | undefined {
    const ticketId = tickets[0]!
    const parentCertificate = blocks.at(-1)?.certificate ?? []
    const { header, transactions } = buildTemplate(chain, {
      ticketId,
      timeS: START_S + (blocks.length + 1) * params.spacingS,
      parentCertificate,
      transactions: [],
      extra: u32le(attempt),
    })
    const result = computer.run({
      kind: 'mine-filler',
      seed: fillerSeed(zeroNonceHash(header), ticketId),
      ticketId,
      mining: {
        zeroNonceHeader: encodeHeader(header).subarray(0, ZERO_NONCE_HEADER_BYTES),
        historyRoot: ZERO,
        target: workTarget(params, header.bits, 'filler'),
        budget: fillerBudget(params),
      },
    })
    if (result.kind !== 'mine-filler' || !result.win) return undefined
    const { nonce, messageHash, iteration, endModelHash, endResidualHash, map } = result.win
    const work = { kind: 'filler' as const, ticketId, iteration, endModelHash, endResidualHash, map }
    const block = {
      header: { ...header, nonce, hashMsg: messageHash, hashMsgHist: ZERO },
      transactions,
      work: { ...work, signature: new Uint8Array(64) },
      parentCertificate,
    }
    const signature = ed25519Sign(fillerSigned(blockId(block)), keys[0]!.ticketSeed)
    return { ...block, work: { ...work, signature } }
  }

  function certify(block: Block): readonly Digest[] {
    const view = chain.view()
    const digests = keys.flatMap(({ ticketSeed }, index) => {
      const ticketId = tickets[index]!
      const proof = drawVerifier(view, params, 0, ticketId, ticketSeed)
      if (!proof) return []
      const unsigned = {
        networkId: chain.networkId,
        height: view.height + 1,
        blockId: blockId(block),
        round: 0,
        verdict: 1 as const,
        failingCheck: 0,
        gradientHash: ZERO,
        ticketId,
        proof,
      }
      return [signDigest(unsigned, ticketSeed)]
    })
    return quorumOf(digests, view, params.verifierQuorum, 1)!
  }
}
