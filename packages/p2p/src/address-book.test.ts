import { expect, test } from 'vitest'
import { createAddressBook } from './address-book.ts'
import { peerIdOf } from './identity.ts'

const peers = await Promise.all([1, 2, 3].map((n) => peerIdOf(new Uint8Array(32).fill(n))))
const [a, b, c] = peers as [string, string, string]
const at = (port: number, peerId = a) => `/ip4/127.0.0.1/tcp/${port}/p2p/${peerId}`

test('what we were told comes first and stays; what a peer says replaces what it said', () => {
  const book = createAddressBook(10, 2)
  book.learn(a, [at(7), '/ip4/127.0.0.1/tcp/8', at(9)])
  book.remember(a, [at(1)])
  expect(book.addressesOf(a)).toEqual([at(1), at(7), at(8)])
  book.learn(a, [at(10)])
  book.remember(a, [at(2)])
  book.remember(a, [at(3)])
  expect(book.addressesOf(a)).toEqual([at(3), at(2), at(10)])
})

test('addresses of another peer and nonsense are left out', () => {
  const book = createAddressBook(10, 4)
  book.remember(a, [at(1, b), 'nonsense', '', '/ip4/1.2.3.4/tcp/99999'])
  expect(book.addressesOf(a)).toEqual([])
})

test('the least recently touched peer is forgotten', () => {
  const book = createAddressBook(2, 4)
  book.remember(a, [at(1)])
  book.remember(b, [at(1, b)])
  book.remember(a, [at(2)])
  book.remember(c, [at(1, c)])
  expect(book.addressesOf(b)).toEqual([])
  expect(book.addressesOf(a)).toEqual([at(2), at(1)])
})
