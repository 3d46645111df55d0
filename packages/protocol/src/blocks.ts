/**
 * From a gossiped proposal to a verified block: the status machine of spec 10.7.
 *
 *   PROPOSED --1-3--> (parent's certificate) --4-9--> CHECKED --Q digests--> VERIFIED (in the chain)
 *                                                       '--T_verify--> round 1 --T_verify--> TIMED_OUT
 */
import type { Entry } from '@pouw/chain'
import { sha256Hex } from '@pouw/crypto'
import {
  type Block,
  blockId,
  type CertifiedBlock,
  type Digest,
  decodeBlock,
  decodeCertifiedBlocks,
  decodeDigest,
  decodeIterationResult,
  encodeBlock,
  encodeCertifiedBlocks,
  encodeDigest,
  type Hex,
  printHash,
  type Verdict,
} from '@pouw/primitives'
import type { Context } from './context.ts'
import { decodeHashes, encodeHashes } from './framing.ts'
import type { GossipVerdict } from './ports.ts'
import { checkWork, type Evidence } from './verification/evidence.ts'
import { checkCertificate, checkDigest, digestKey, quorumOf } from './verification/sortition.ts'

const CANDIDATES_MAX = 64
/** Blocks whose digests came before them. */
const EARLY_BLOCKS_MAX = 64
/** Addresses of one candidate's bundle. */
const BUNDLES_MAX = 4
/** Candidates this far below the tip are forgotten. */
const KEEP_BELOW_TIP = 6
const SYNC_BLOCKS = 64
/** Well below what the asker takes, certificates included. */
const SYNC_BYTES_MAX = 16 << 20
const LOCATOR_MAX = 64

export interface Candidate {
  readonly id: Hex
  readonly block: Block
  readonly evidence: Evidence
  readonly height: number
  /** Owner key of the miner's ticket. */
  readonly miner: Hex
  readonly receivedMs: number
  /** The peer that brought it first. */
  readonly from: string
  /** One per ticket, round and verdict: whoever signs more adds nothing. */
  readonly digests: Map<string, Digest>
  /** Where the replay bundle may lie: nothing that is signed says it, so copies of the block may name other places. */
  readonly bundles: Set<Hex>
  round: number
  status: 'CHECKED' | 'REJECTED' | 'TIMED_OUT'
}

export interface Blocks {
  proposal(bytes: Uint8Array, from: string): GossipVerdict
  digest(bytes: Uint8Array, from: string): GossipVerdict
  /** Our own proposal or digest: handled as if it came from the network, then gossiped. */
  propose(block: Block): void
  attest(digest: Digest): void
  candidate(id: Hex): Candidate | undefined
  candidates(): Iterable<Candidate>
  /** The certificate that made a block VERIFIED here; empty for genesis. */
  certificateOf(id: Hex): readonly Digest[]
  sync(peer: string): void
  serve(payload: Uint8Array): Uint8Array | 'malformed'
  load(blocks: readonly CertifiedBlock[]): void
}

export interface BlocksHooks {
  /** The best chain changed. */
  onTip(connected: readonly Entry[], disconnected: readonly Entry[]): void
  /** A proposal passed checks 1-9 (or its second round opened): drawn verifiers go to work. */
  onChecked(candidate: Candidate): void
  /** Another address at which the bundle of a candidate may lie. */
  onBundle(candidate: Candidate, bundle: Hex): void
}

/** The ticket that mined a block; undefined if its message is malformed. */
export function minerTicket(block: Block): Hex | undefined {
  return block.work.kind === 'filler' ? block.work.ticketId : decodeIterationResult(block.work.result)?.ticketId
}

export function createBlocks(context: Context, hooks: BlocksHooks): Blocks {
  const { chain, params, networkId } = context
  const candidates = new Map<Hex, Candidate>()
  const refused = new Set<Hex>()
  const early = new Map<Hex, { bytes: Uint8Array; from: string }[]>()
  const syncing = new Set<string>()

  const blocks: Blocks = {
    proposal(bytes, from) {
      const block = decodeBlock(bytes)
      if (!block) return 'reject'
      const id = blockId(block)
      if (chain.entry(id)) return 'ignore'
      const known = candidates.get(id)
      if (known) return addBundle(known, block)
      // By all its bytes: evidence and certificate lie outside the id, and a mangled copy must not stand for the true block.
      const copy = sha256Hex(bytes)
      if (refused.has(copy)) return 'reject'
      const verdict = consider(block, id, from)
      if (verdict.ok) return 'accept'
      context.emit('block-refused', { hash: printHash(id), code: verdict.code, check: verdict.check, from })
      context.count(`block-refused:${verdict.check ?? 0}:${verdict.code}`)
      if (verdict.action === 'drop') return 'ignore'
      remember(refused, copy)
      return 'reject'
    },
    digest(bytes, from) {
      const digest = decodeDigest(bytes)
      if (!digest || digest.networkId !== networkId) return 'reject'
      // The block has its certificate: one more digest decides nothing, and its VRF proof is dear to check.
      if (chain.entry(digest.blockId)) return 'ignore'
      const candidate = candidates.get(digest.blockId)
      if (!candidate) {
        keepEarly(digest.blockId, bytes, from)
        return 'ignore'
      }
      return record(candidate, digest)
    },
    propose(block) {
      const bytes = encodeBlock(block)
      const id = blockId(block)
      if (candidates.has(id) || chain.entry(id)) return
      const verdict = consider(block, id, context.peer)
      if (verdict.ok) context.gossip('block', bytes)
      else context.emit('own-block-refused', { hash: printHash(id), code: verdict.code, check: verdict.check, detail: verdict.detail })
    },
    attest(digest) {
      const candidate = candidates.get(digest.blockId)
      if (candidate && record(candidate, digest) === 'accept') context.gossip('digest', encodeDigest(digest))
    },
    candidate: (id) => candidates.get(id),
    candidates: () => candidates.values(),
    certificateOf: (id) => chain.block(id)?.certificate ?? [],
    sync(peer) {
      if (syncing.has(peer)) return
      syncing.add(peer)
      context.request(peer, 'blocks', encodeHashes(chain.locator().slice(0, LOCATOR_MAX)), (bytes) => {
        syncing.delete(peer)
        const received = bytes && decodeCertifiedBlocks(bytes)
        if (bytes && !received) return punish(peer, 'blocks-malformed')
        if (!received || received.length === 0) return
        let fresh = 0
        for (const certified of received) {
          if (chain.entry(blockId(certified.block))) continue
          const verdict = acceptCertified(certified)
          if (verdict.ok) {
            fresh++
            continue
          }
          if (verdict.action !== 'drop') punish(peer, verdict.code)
          context.emit('sync-refused', { hash: printHash(blockId(certified.block)), code: verdict.code, check: verdict.check })
          return
        }
        // A page that brought something may have another one behind it.
        if (fresh > 0) blocks.sync(peer)
      })
    },
    serve(payload) {
      const locator = decodeHashes(payload)
      if (!locator || locator.length > LOCATOR_MAX) return 'malformed'
      return encodeCertifiedBlocks(page(chain.blocksAfter(locator, SYNC_BLOCKS)))
    },
    load(stored) {
      for (const certified of stored) {
        const { verdict } = chain.connect(certified, { trusted: true })
        if (!verdict.ok) {
          context.emit('store-truncated', { hash: printHash(blockId(certified.block)), code: verdict.code })
          return
        }
      }
    },
  }
  return blocks

  /** Another copy of a candidate: all that it can add is another address of the bundle. */
  function addBundle(candidate: Candidate, { work }: Block): GossipVerdict {
    if (work.kind !== 'task' || candidate.block.work.kind !== 'task' || candidate.status !== 'CHECKED') return 'ignore'
    if (candidate.bundles.has(work.bundle) || candidate.bundles.size >= BUNDLES_MAX) return 'ignore'
    candidate.bundles.add(work.bundle)
    hooks.onBundle(candidate, work.bundle)
    return 'accept'
  }

  /** Checks 1 to 9 of a fresh proposal. */
  function consider(block: Block, id: Hex, from: string): Verdict {
    const parent = block.header.hashPrevBlock
    if (!chain.entry(parent)) {
      const waiting = candidates.get(parent)
      const verdict = waiting ? adopt(waiting, block.parentCertificate) : undefined
      if (!verdict?.ok) {
        if (from !== context.peer) blocks.sync(from)
        return verdict ?? { ok: false, code: 'parent-unknown', check: 1, action: 'drop' }
      }
    }
    const header = chain.checkHeader(block, context.nowMs)
    if (!header.ok) return header
    const view = chain.view(parent)
    const certificate = checkParentCertificate(block)
    if (!certificate.ok) return certificate
    const body = chain.checkBody(block)
    if (!body.ok) return body
    const work = checkWork(block, view, params, networkId)
    if (!work.ok) return work
    const ticket = view.ticket(minerTicket(block)!)!
    const candidate: Candidate = {
      id,
      block,
      evidence: work.evidence,
      height: view.height + 1,
      miner: ticket.owner,
      receivedMs: context.nowMs,
      from,
      digests: new Map(),
      bundles: new Set(block.work.kind === 'task' ? [block.work.bundle] : []),
      round: 0,
      status: 'CHECKED',
    }
    candidates.set(id, candidate)
    if (candidates.size > CANDIDATES_MAX) candidates.delete(candidates.keys().next().value!)
    context.emit('block-checked', { hash: printHash(id), height: candidate.height, kind: block.work.kind })
    watch(candidate)
    hooks.onChecked(candidate)
    const waiting = early.get(id)
    if (waiting) {
      early.delete(id)
      for (const { bytes, from: sender } of waiting) if (blocks.digest(bytes, sender) === 'reject') punish(sender, 'digest-refused')
    }
    return { ok: true }
  }

  function checkParentCertificate(block: Block): Verdict {
    const parent = chain.entry(block.header.hashPrevBlock)!
    if (parent.height === 0)
      return block.parentCertificate.length === 0 ? { ok: true } : { ok: false, code: 'genesis-certificate', check: 3, action: 'reject' }
    const certified = chain.block(parent.id)!
    const held = new Set(certified.certificate.map(digestKey))
    const verdict = checkCertificate(
      block.parentCertificate,
      parent.id,
      chain.view(parent.parent).ticket(minerTicket(certified.block)!)!.owner,
      chain.view(parent.parent),
      params,
      networkId,
      (digest) => held.has(digestKey(digest)) || isRecorded(candidates.get(parent.id), digest),
    )
    return verdict.ok ? verdict : { ...verdict, check: 3 }
  }

  /** A child shows its parent's certificate: the parent is VERIFIED by it whatever we saw ourselves (A18). */
  function adopt(candidate: Candidate, certificate: readonly Digest[]): Verdict {
    const view = chain.view(candidate.block.header.hashPrevBlock)
    const verdict = checkCertificate(certificate, candidate.id, candidate.miner, view, params, networkId, (digest) =>
      isRecorded(candidate, digest),
    )
    if (!verdict.ok) return verdict
    return connect(candidate.block, certificate)
  }

  /** A block from a peer's chain, with its certificate: all cheap checks but the local clock's. */
  function acceptCertified({ block, certificate }: CertifiedBlock): Verdict {
    const parent = chain.entry(block.header.hashPrevBlock)
    if (!parent) return { ok: false, code: 'parent-unknown', check: 1, action: 'drop' }
    const header = chain.checkHeader(block, context.nowMs)
    if (!header.ok) return header
    const view = chain.view(parent.id)
    const parentCertificate = checkParentCertificate(block)
    if (!parentCertificate.ok) return parentCertificate
    const body = chain.checkBody(block)
    if (!body.ok) return body
    const work = checkWork(block, view, params, networkId)
    if (!work.ok) return work
    const id = blockId(block)
    const verdict = checkCertificate(certificate, id, view.ticket(minerTicket(block)!)!.owner, view, params, networkId)
    return verdict.ok ? connect(block, certificate) : verdict
  }

  function record(candidate: Candidate, digest: Digest): GossipVerdict {
    const key = digestPlace(digest)
    if (candidate.digests.has(key)) return 'ignore'
    const view = chain.view(candidate.block.header.hashPrevBlock)
    const verdict = checkDigest(digest, view, params, networkId, candidate.miner)
    if (!verdict.ok) return verdict.action === 'drop' ? 'ignore' : 'reject'
    candidate.digests.set(key, digest)
    const good = quorumOf(candidate.digests.values(), view, params.verifierQuorum, 1)
    if (good && !chain.entry(candidate.id)) {
      connect(candidate.block, good)
      return 'accept'
    }
    const bad = quorumOf(candidate.digests.values(), view, params.verifierQuorum, 0)
    if (bad && candidate.status === 'CHECKED') {
      candidate.status = 'REJECTED'
      context.emit('block-rejected', { hash: printHash(candidate.id), check: bad[0]!.failingCheck })
      context.count(`block-rejected:${bad[0]!.failingCheck}`)
      blameMiner(candidate)
    }
    return 'accept'
  }

  /** A digest may overtake its block. The oldest make room: nobody can fill this for good with digests of blocks that never come. */
  function keepEarly(id: Hex, bytes: Uint8Array, from: string): void {
    const list = early.get(id) ?? []
    if (list.length >= 2 * params.verifierDraw) return
    list.push({ bytes, from })
    early.set(id, list)
    if (early.size > EARLY_BLOCKS_MAX) early.delete(early.keys().next().value!)
  }

  function connect(block: Block, certificate: readonly Digest[]): Verdict {
    const id = blockId(block)
    const { verdict, connected, disconnected } = chain.connect({ block, certificate })
    if (!verdict.ok) {
      context.emit('connect-refused', { hash: printHash(id), code: verdict.code })
      return verdict
    }
    for (const entry of connected) {
      const certified = chain.block(entry.id)
      if (certified) context.effect({ kind: 'save-block', id: entry.id, height: entry.height, block: certified })
    }
    early.delete(id)
    context.emit('block-verified', {
      hash: printHash(id),
      height: chain.entry(id)!.height,
      kind: block.work.kind,
      verifiers: certificate.map((digest) => digest.ticketId),
    })
    for (const [other, candidate] of candidates) if (candidate.height < chain.tip().height - KEEP_BELOW_TIP) candidates.delete(other)
    if (connected.length > 0) {
      context.mempool.onTip(connected, disconnected)
      hooks.onTip(connected, disconnected)
    }
    return { ok: true }
  }

  /** Time limits of 10.7; they bind only us, a valid certificate wins over them at any time. */
  function watch(candidate: Candidate): void {
    context.at(`verify:${candidate.id}:${candidate.round}`, context.nowMs + params.verifyMs, () => {
      if (chain.entry(candidate.id) || candidate.status !== 'CHECKED' || candidates.get(candidate.id) !== candidate) return
      if (candidate.round === 0) {
        candidate.round = 1
        context.count('verify-redraw')
        hooks.onChecked(candidate)
        watch(candidate)
      } else {
        candidate.status = 'TIMED_OUT'
        context.count('block-timed-out')
      }
    })
  }

  /**
   * A quorum found the work false. Its miner is to blame, whose address his HELLO told; a peer that brought the block may have relayed it
   * in good faith, since nobody replays before forwarding, and pays a little only if nobody else is known.
   */
  function blameMiner(candidate: Candidate): void {
    const miner = context.peerOf(minerTicket(candidate.block)!)
    const peer = miner ?? candidate.from
    if (peer !== context.peer) context.effect({ kind: 'penalise', peer, points: miner ? 20 : 5, reason: 'false work' })
  }

  /** For what came another way than gossip, whose verdict costs the sender already. */
  function punish(peer: string, reason: string): void {
    if (peer !== context.peer) context.effect({ kind: 'penalise', peer, points: 20, reason })
  }
}

/** As many blocks as an answer may hold, at least one: whoever asked goes on from there. */
function page(blocks: readonly CertifiedBlock[]): CertifiedBlock[] {
  let bytes = 0
  const fits = blocks.findIndex(({ block }, index) => {
    bytes += encodeBlock(block).length
    return index > 0 && bytes > SYNC_BYTES_MAX
  })
  return fits < 0 ? [...blocks] : blocks.slice(0, fits)
}

function digestPlace(digest: Digest): string {
  return `${digest.ticketId}:${digest.round}:${digest.verdict}`
}

/** These very bytes have been checked as a digest of the candidate. */
function isRecorded(candidate: Candidate | undefined, digest: Digest): boolean {
  const recorded = candidate?.digests.get(digestPlace(digest))
  return recorded !== undefined && digestKey(recorded) === digestKey(digest)
}

const REMEMBERED_MAX = 1024

function remember(set: Set<Hex>, id: Hex): void {
  set.add(id)
  if (set.size > REMEMBERED_MAX) set.delete(set.values().next().value!)
}
