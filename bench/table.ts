import type { Row } from './row.ts'

const HEAD = ['name', 'value', 'unit', 'baseline', 'ratio', 'must', 'aim', 'met']
/** The columns of words; numbers stand at the right. */
const LEFT = new Set([0, 2, 7])

/** The rows for people, with a line of widths that fit. */
export function table(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cells)]
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines
    .map((line) =>
      `${line.map((cell, column) => (LEFT.has(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  ')}`.trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

function cells({ name, value, unit, baseline, ratio, must, aim, met, skipped, better }: Row): string[] {
  const bound = (limit: number | null) => (limit === null ? '' : `${better === 'more' ? '>=' : '<='} ${limit}`)
  return [
    name,
    number(value),
    unit,
    number(baseline),
    number(ratio),
    bound(must),
    bound(aim),
    skipped !== null ? `skipped: ${skipped}` : met === null ? '' : met ? 'yes' : 'NO',
  ]
}

/** Four significant digits, and no exponent. */
function number(value: number | null): string {
  if (value === null) return ''
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)))
}
