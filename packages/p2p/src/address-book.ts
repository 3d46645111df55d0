import { addressOf } from './identity.ts'

export interface AddressBook {
  /** Put these first among the peer's addresses; wrong ones are left out. */
  remember(peerId: string, addresses: readonly string[]): void
  /** Put these behind those already known: what a peer says of itself never displaces what we were told to use. */
  learn(peerId: string, addresses: readonly string[]): void
  addressesOf(peerId: string): readonly string[]
}

/** Addresses by peer, least recently touched peer forgotten first, both counts bounded. */
export function createAddressBook(peersMax: number, addressesMax: number): AddressBook {
  const book = new Map<string, readonly string[]>()

  function store(peerId: string, addresses: readonly string[]): void {
    const valid: string[] = []
    for (const address of addresses) {
      const full = addressOf(peerId, address)
      if (full !== undefined && !valid.includes(full)) valid.push(full)
      if (valid.length === addressesMax) break
    }
    if (valid.length === 0) return
    book.delete(peerId)
    book.set(peerId, valid)
    if (book.size > peersMax) book.delete(book.keys().next().value as string)
  }

  const addressesOf = (peerId: string) => book.get(peerId) ?? []
  return {
    addressesOf,
    remember: (peerId, addresses) => store(peerId, [...addresses, ...addressesOf(peerId)]),
    learn: (peerId, addresses) => store(peerId, [...addressesOf(peerId), ...addresses]),
  }
}
