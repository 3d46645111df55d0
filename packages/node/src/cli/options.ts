import { InvalidArgumentError } from 'commander'

/** Reads an option as a whole number of at least `min`. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min)
      throw new InvalidArgumentError(`expected a whole number of at least ${min}.`)
    return value
  }
}

/** Reads an option as an unsigned 64-bit number. */
export function seedNumber(text: string): bigint {
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 1n << 64n) throw new InvalidArgumentError('expected a whole number below 2^64.')
  return BigInt(text)
}
