import { addressOf } from './identity.ts'

export interface AddressBook {
  /** Addresses we were told to use; new ones go first, wrong ones are left out. */
  remember(peerId: string, addresses: readonly string[]): void
  /** Addresses a peer says it has; they replace what it said before and never displace what we were told. */
  learn(peerId: string, addresses: readonly string[]): void
  addressesOf(peerId: string): readonly string[]
}

interface Entry {
  told: readonly string[]
  learnt: readonly string[]
}

/** Addresses by peer, least recently touched peer forgotten first; `addressesMax` bounds each of a peer's two lists. */
export function createAddressBook(peersMax: number, addressesMax: number): AddressBook {
  const book = new Map<string, Entry>()

  function put(peerId: string, change: Partial<Entry>): void {
    const entry = { told: [], learnt: [], ...book.get(peerId), ...change }
    if (entry.told.length + entry.learnt.length === 0) return
    book.delete(peerId)
    book.set(peerId, entry)
    if (book.size > peersMax) book.delete(book.keys().next().value as string)
  }

  function valid(peerId: string, addresses: readonly string[]): string[] {
    const kept = new Set<string>()
    for (const address of addresses) {
      const full = addressOf(peerId, address)
      if (full !== undefined) kept.add(full)
      if (kept.size === addressesMax) break
    }
    return [...kept]
  }

  return {
    remember: (peerId, addresses) => put(peerId, { told: valid(peerId, [...addresses, ...(book.get(peerId)?.told ?? [])]) }),
    learn: (peerId, addresses) => put(peerId, { learnt: valid(peerId, addresses) }),
    addressesOf(peerId) {
      const entry = book.get(peerId)
      return entry === undefined ? [] : [...new Set([...entry.told, ...entry.learnt])]
    },
  }
}
