/** Read access to the ledger after one block. Valid until the chain's tip changes. */
import { type Hex, parseScript } from '@pouw/primitives'
import { type Coin, outpointKey, type State, type TaskState, type Ticket, type TicketRole, type TicketState, ticketAt } from './state.ts'

export interface OwnedCoin {
  readonly txid: Hex
  readonly index: number
  readonly amount: bigint
  readonly height: number
  readonly coinbase: boolean
  /** Mature in the next block. */
  readonly spendable: boolean
  readonly script: Uint8Array
}

export interface View {
  readonly height: number
  readonly blockId: Hex
  /** The ticket in its state at this height. */
  ticket(id: Hex): Ticket | undefined
  tickets(filter?: { readonly role?: TicketRole; readonly owner?: Hex; readonly state?: TicketState }): Ticket[]
  task(id: Hex): TaskState | undefined
  tasks(): TaskState[]
  coin(txid: Hex, index: number): Coin | undefined
  /** Unspent outputs that pay this key (stakes and escrows are not among them). */
  coinsOf(owner: Hex): OwnedCoin[]
  /** All coins: the sum of money, for checkers. */
  coins(): Iterable<[string, Coin]>
}

export function viewOf(state: State, height: number, blockId: Hex, coinbaseMaturity: number): View {
  return {
    height,
    blockId,
    ticket(id) {
      const ticket = state.tickets.get(id)
      return ticket && ticketAt(ticket, height)
    },
    tickets({ role, owner, state: wanted } = {}) {
      const found: Ticket[] = []
      for (const [, stored] of state.tickets.entries()) {
        if ((role !== undefined && stored.role !== role) || (owner !== undefined && stored.owner !== owner)) continue
        const ticket = ticketAt(stored, height)
        if (wanted === undefined || ticket.state === wanted) found.push(ticket)
      }
      return found
    },
    task: (id) => state.tasks.get(id),
    tasks: () => [...state.tasks.entries()].map(([, task]) => task),
    coin: (txid, index) => state.coins.get(outpointKey(txid, index)),
    coinsOf(owner) {
      const found: OwnedCoin[] = []
      for (const [key, coin] of state.coins.entries()) {
        const script = parseScript(coin.script)
        if (script.kind !== 'key' || script.key !== owner) continue
        const spendable = !coin.coinbase || height + 1 - coin.height >= coinbaseMaturity
        found.push({ txid: key.slice(0, 64), index: Number(key.slice(65)), ...coin, spendable })
      }
      return found
    },
    coins: () => state.coins.entries(),
  }
}
