/**
 * A verifier: drawn for a block, fetches its bundle, replays the iteration, attests (spec 10.6 checks 10-16, A17, A18).
 */
import { batchBytes, decodeBundle, type Hex, modelBytesOf, printHash, residualBytesOf, type Verdict } from '@pouw/primitives'
import type { Blocks, Candidate } from '../blocks.ts'
import type { Context } from '../context.ts'
import type { Plan } from '../group.ts'
import { planOf } from '../group.ts'
import type { ReplayResult } from '../ports.ts'
import type { Evidence } from '../verification/evidence.ts'
import { assignmentOf, blobsOf, checkInputs, checkReplay } from '../verification/replay-checks.ts'
import { drawVerifier, signDigest } from '../verification/sortition.ts'

const BUNDLE_BYTES_MAX = 64 << 20
const BLOB_OVERHEAD = 128
const PLANS_MAX = 4
const SEARCHES_MAX = 64

export interface Verifier {
  onChecked(candidate: Candidate): void
  /** Looks for the bundle of a replay under way at another address too. */
  onBundle(candidate: Candidate, bundle: Hex): void
  readonly lastReplayMs: number | null
}

export function createVerifier(context: Context, blocks: Blocks): Verifier {
  const { chain, params, config } = context
  const working = new Set<string>()
  const plans = new Map<string, Plan | undefined>()
  /** Replays that wait for their bundle, by block. */
  const searching = new Map<Hex, (bundle: Hex) => void>()
  let lastReplayMs: number | null = null

  return {
    get lastReplayMs() {
      return lastReplayMs
    },
    onBundle(candidate, bundle) {
      searching.get(candidate.id)?.(bundle)
    },
    onChecked(candidate) {
      const ticket = context.ticket()
      if (!ticket || ticket.role !== 4 || ticket.owner === candidate.miner) return
      const view = chain.view(candidate.block.header.hashPrevBlock)
      const proof = drawVerifier(view, params, candidate.round, ticket.id, config.keys.ticketSeed)
      const key = `${candidate.id}:${candidate.round}`
      if (!proof || working.has(key)) return
      if (candidate.evidence.kind === 'task' && context.nowMs - candidate.evidence.resultTimeMs > params.proposalMs) {
        context.count('proposal-too-late')
        return
      }
      working.add(key)
      if (working.size > 256) working.delete(working.values().next().value!)
      const startedMs = context.nowMs
      replay(candidate, ticket.id, (verdict, replayed) => {
        const elapsedMs = context.nowMs - startedMs
        lastReplayMs = replayed?.replayUs === undefined ? elapsedMs : replayed.replayUs / 1000
        context.emit('block-replayed', {
          height: candidate.height,
          hash: printHash(candidate.id),
          ok: verdict.ok,
          code: verdict.ok ? undefined : verdict.code,
          check: verdict.ok ? undefined : verdict.check,
          ms: lastReplayMs,
          // With what it took to fetch the bundle and to wait for the thread.
          elapsedMs,
        })
        if (!verdict.ok) context.count(`replay-refused:${verdict.check}:${verdict.code}`)
        // A bundle that never came is nobody's proven fault: no digest, the block times out (check 10).
        if (!verdict.ok && verdict.action === 'drop') return
        blocks.attest(
          signDigest(
            {
              networkId: context.networkId,
              height: candidate.height,
              blockId: candidate.id,
              round: candidate.round,
              verdict: verdict.ok ? 1 : 0,
              failingCheck: verdict.ok ? 0 : (verdict.check ?? 0),
              gradientHash: replayed?.gradientHash ?? '00'.repeat(32),
              ticketId: ticket.id,
              proof,
            },
            config.keys.ticketSeed,
          ),
        )
      })
    },
  }

  function alive(candidate: Candidate): () => boolean {
    return () => candidate.status === 'CHECKED' && !chain.entry(candidate.id)
  }

  function replay(candidate: Candidate, ticketId: Hex, done: (verdict: Verdict, replayed: ReplayResult | undefined) => void): void {
    const { evidence, block } = candidate
    const judge = (result: { readonly kind: string; readonly code?: string }) => {
      // A build that computes something else has nothing to say about this block.
      if (result.kind === 'refused' && result.code === 'other-arithmetic')
        return done({ ok: false, code: 'other-arithmetic', check: 14, action: 'drop' }, undefined)
      if (result.kind !== 'replay') return done({ ok: false, code: 'replay-impossible', check: 14, action: 'slash' }, undefined)
      done(checkReplay(evidence, block, params, result as ReplayResult), result as ReplayResult)
    }
    if (evidence.kind === 'filler') {
      const { ticketId: miner, iteration } = evidence.work
      context.compute({ kind: 'replay-filler', seed: evidence.seed, ticketId: miner, iteration, verifier: ticketId }, judge)
      return
    }
    gather(candidate, evidence, (maps, rate, blobs) => {
      if ('verdict' in blobs) return done(blobs.verdict, undefined)
      const { result, group } = evidence
      context.compute(
        {
          kind: 'replay',
          document: group.document,
          taskId: group.taskId,
          ticketId: result.ticketId,
          sequence: result.sequence,
          model: blobs.model,
          residual: blobs.residual,
          maps,
          batch: blobs.batch,
          rate,
          verifier: ticketId,
        },
        judge,
      )
    })
  }

  /** Check 10 (content addresses) and 11 to 13; then everything the replay needs. */
  function gather(
    candidate: Candidate,
    evidence: Evidence & { kind: 'task' },
    done: (
      maps: Uint8Array[],
      rate: number,
      blobs: { readonly model: Uint8Array; readonly residual: Uint8Array; readonly batch: Uint8Array } | { readonly verdict: Verdict },
    ) => void,
  ): void {
    const keep = alive(candidate)
    const { group, result } = evidence
    const wanted = blobsOf(evidence)
    const providers = () =>
      [result.ticketId, ...group.supervisors.map((member) => member.ticketId)]
        .map((ticket) => context.peerOf(ticket))
        .filter((peer) => peer !== undefined)
    const parts: { model?: Uint8Array; residual?: Uint8Array; batch?: Uint8Array } = {}
    let inputs: { maps: Uint8Array[]; rate: number } | undefined
    const step = () => {
      const { model, residual, batch } = parts
      if (inputs && model && residual && batch) done(inputs.maps, inputs.rate, { model, residual, batch })
    }
    for (const [part, max] of [
      ['model', modelBytesOf(group.document) + BLOB_OVERHEAD],
      ['residual', residualBytesOf(group.document) + BLOB_OVERHEAD],
      ['batch', batchBytes(group.document) + BLOB_OVERHEAD],
    ] as const) {
      context.fetch(wanted[part], providers, max, keep, (bytes) => {
        parts[part] = bytes
        step()
      })
    }
    let settled = false
    const useBundle = (bytes: Uint8Array) => {
      const bundle = decodeBundle(bytes)
      const assignment = bundle && assignmentOf(evidence, candidate.block, bundle)
      if (!bundle || !assignment) return context.count('bundle-refused:bundle-malformed')
      if (!assignment.ok) return context.count(`bundle-refused:${assignment.code}`)
      context.fetch(
        assignment.tableHash,
        providers,
        32 * 65_536,
        () => keep() && !settled,
        (table) => {
          const checked = checkInputs(evidence, table, bundle, (hashes) => cachedPlan(assignment.tableHash, evidence, hashes))
          // A bundle that does not fit is nobody's proven fault: its address is in nothing that is signed.
          if (!checked.ok && checked.action === 'drop') return context.count(`bundle-refused:${checked.code}`)
          settled = true
          searching.delete(candidate.id)
          if (!checked.ok) return done([], 0, { verdict: checked })
          inputs = checked
          step()
        },
      )
    }
    const search = (bundle: Hex) => context.fetch(bundle, providers, BUNDLE_BYTES_MAX, () => keep() && !settled, useBundle)
    searching.set(candidate.id, search)
    if (searching.size > SEARCHES_MAX) searching.delete(searching.keys().next().value!)
    for (const bundle of candidate.bundles) search(bundle)
  }

  /** The plan of a task is the same for all its blocks; rebuilding it costs a ring of thousands of points. */
  function cachedPlan(tableHash: Hex, evidence: Evidence & { kind: 'task' }, hashes: readonly Hex[]): Plan | undefined {
    const key = `${evidence.group.taskId}:${tableHash}`
    if (!plans.has(key)) {
      plans.set(key, planOf(evidence.group, hashes))
      if (plans.size > PLANS_MAX) plans.delete(plans.keys().next().value!)
    }
    return plans.get(key)
  }
}
