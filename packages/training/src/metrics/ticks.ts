/** Round numbers on an axis. */
export interface Ticks {
  readonly values: readonly number[]
  /** Their text; of plain decimals all have equally many. */
  readonly labels: readonly string[]
}

/**
 * Every multiple of 1, 2 or 5 times a power of ten in [least, most], `count` of them or a few fewer; with `outer` also the next one on either side, unless
 * the end itself is one. `count` is 3 or more: then at least one lies inside, as no step is above 5/6 of the range.
 *
 * From a million on, or with more than four decimals, the text is scientific. Multiples are integers until they are written, so each value is its text's nearest binary64 number.
 */
export function roundTicks(least: number, most: number, count: number, outer: boolean): Ticks {
  const step = stepOf((most - least) / count)
  const size = Number(`${step.digit}e${step.power}`)
  const [from, to] = [snapped(least / size), snapped(most / size)]
  const [first, last] = outer ? [Math.floor(from), Math.ceil(to)] : [Math.ceil(from), Math.floor(to)]
  const digits = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step.digit)
  const scientific = step.power < -4 || Math.max(-least, most) >= 1e6
  return {
    values: digits.map((n) => Number(`${n}e${step.power}`)),
    labels: digits.map((n) => (scientific ? scientificText(n, step.power) : plainText(n, step.power))),
  }
}

/** 0.3 / 0.1 is a little less than 3, and meant as 3. */
function snapped(ratio: number): number {
  const whole = Math.round(ratio)
  return Math.abs(ratio - whole) < 1e-6 ? whole : ratio
}

/** The least of 1, 2, 5 and 10 times a power of ten that is not below the width. */
function stepOf(width: number): { readonly digit: number; readonly power: number } {
  const [mantissa, exponent] = width.toExponential().split('e').map(Number) as [number, number]
  const digit = mantissa <= 1 ? 1 : mantissa <= 2 ? 2 : mantissa <= 5 ? 5 : 10
  return digit === 10 ? { digit: 1, power: exponent + 1 } : { digit, power: exponent }
}

function plainText(n: number, power: number): string {
  const digits = `${Math.abs(n)}`
  const sign = n < 0 ? '−' : ''
  if (power >= 0) return sign + (n === 0 ? '0' : digits + '0'.repeat(power))
  const padded = digits.padStart(1 - power, '0')
  return `${sign}${padded.slice(0, power)}.${padded.slice(power)}`
}

function scientificText(n: number, power: number): string {
  if (n === 0) return '0'
  const digits = `${Math.abs(n)}`
  const rest = digits.slice(1).replace(/0+$/, '')
  const exponent = power + digits.length - 1
  return `${n < 0 ? '−' : ''}${digits[0]}${rest && `.${rest}`}e${exponent < 0 ? '−' : ''}${Math.abs(exponent)}`
}
