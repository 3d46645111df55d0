/**
 * A node without a role, a ticket or a memory: it follows a source of blocks and checks each of them exactly as a node does that syncs
 * (header, target, body, work, its certificate and its parent's), and does nothing else.
 */
import { randomBytes } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { Chain, Genesis } from '@pouw/chain'
import { decodeCertifiedBlocks, deriveKeys, encodeCertifiedBlocks, newMnemonic } from '@pouw/primitives'
import { type Brain, createBrain, DEVNET_TICKET, type Effect } from '@pouw/protocol'

/** Somebody who answers the service `blocks`: a peer, or a folder that is read like one. */
export interface Source {
  readonly name: string
  /** The certified blocks after a locator; undefined = no answer. */
  blocks(locator: Uint8Array): Promise<Uint8Array | undefined>
}

/** How following a source ended. */
export type Followed =
  | { readonly ok: true; readonly height: number }
  | { readonly ok: false; readonly reason: string; readonly height: number }

export interface Observer {
  readonly chain: Chain
  /** Takes and checks what the source has beyond our tip. @throws the signal's reason when it is aborted */
  follow(source: Source, options: { readonly signal: AbortSignal; readonly progress?: (height: number) => void }): Promise<Followed>
}

/** Blocks checked between two looks at the clock and the keyboard. */
const BLOCKS_AT_ONCE = 4

export function createObserver(genesis: Genesis, nowMs: () => number): Observer {
  const brain = createObserverBrain(genesis)
  const { chain } = brain
  let wanted: Request | undefined
  brain.handle({ kind: 'start', stored: new Map(), blocks: [], peer: 'observer', addresses: [] }, nowMs())

  return {
    chain,
    async follow(source, { signal, progress = () => {} }) {
      const height = () => chain.tip().height
      const failed = (reason: string): Followed => ({ ok: false, reason, height: height() })
      for (;;) {
        signal.throwIfAborted()
        const bytes = await source.blocks(wish(source.name).payload).catch(() => undefined)
        signal.throwIfAborted()
        const page = bytes && decodeCertifiedBlocks(bytes)
        if (!page) return failed(bytes ? 'its answer is malformed' : 'it gave no answer')
        if (page.length === 0) return { ok: true, height: height() }
        const before = chain.tip().id
        for (let from = 0; from < page.length; from += BLOCKS_AT_ONCE) {
          const refusal = answer(wish(source.name), encodeCertifiedBlocks(page.slice(from, from + BLOCKS_AT_ONCE)))
          if (refusal) return failed(`it sent a block that is refused: ${refusal}`)
          progress(height())
          await turn()
          signal.throwIfAborted()
        }
        // Blocks of a weaker branch, or nothing new: asking again would bring the same.
        if (chain.tip().id === before) return { ok: true, height: height() }
      }
    },
  }

  /** What the brain wants of the service `blocks`: it goes on by itself while pages bring something new, else it is told of a peer again. */
  function wish(peer: string): Request {
    if (!wanted) take(brain.handle({ kind: 'peer', peer, connected: true }, nowMs()))
    if (!wanted) throw new Error('a node that meets a peer asks it for blocks')
    return wanted
  }

  /** Answers the wish; why the brain refused a block, if it did. */
  function answer({ id }: Request, bytes: Uint8Array | undefined): string | undefined {
    wanted = undefined
    return take(brain.handle({ kind: 'answered', id, bytes }, nowMs()))
  }

  function take(effects: readonly Effect[]): string | undefined {
    let refusal: string | undefined
    for (const effect of effects) {
      if (effect.kind === 'request' && effect.service === 'blocks') wanted = effect
      else if (effect.kind === 'request') brain.handle({ kind: 'answered', id: effect.id, bytes: undefined }, nowMs())
      else if (effect.kind === 'emit' && effect.name === 'sync-refused') {
        const { hash, code, check } = effect.fields
        refusal = `${hash}, ${code}${check === undefined ? '' : ` (check ${check})`}`
      }
    }
    return refusal
  }
}

type Request = Effect & { kind: 'request' }

/** Keys of nobody: an observer signs nothing, but a brain has an operator. */
function createObserverBrain(genesis: Genesis): Brain {
  const keys = deriveKeys(newMnemonic(new Uint8Array(randomBytes(16))))
  return createBrain({
    genesis,
    keys: { ...keys, walletSecret: keys.walletKey },
    role: 'peer',
    ticket: { ...DEVNET_TICKET, price: genesis.params.ticketPriceMin },
    fillerPauseMs: 0,
    checkpointEvery: 1_000,
  })
}
