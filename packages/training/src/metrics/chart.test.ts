import { expect, test } from 'vitest'
import { type LineChart, lineChart } from './chart.ts'

const chart = (changed: Partial<LineChart> = {}): LineChart => ({
  title: 'Loss',
  xLabel: 'epoch',
  yLabel: 'cross entropy',
  series: [
    {
      name: 'training',
      points: [
        [0, 2],
        [1, 1],
        [2, 0.5],
      ],
    },
  ],
  ...changed,
})
/** The path of the first line. */
const pathOf = (svg: string) => /<path class="l s0" d="([^"]*L[^"]*|M[^"h]*)"\/>/.exec(svg)?.[1]

test('a chart is one document with equal text for equal arguments, and says what it shows', () => {
  const svg = lineChart(chart())
  expect(lineChart(chart())).toBe(svg)
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"[^>]* role="img" width="720" height="420"/)
  expect(svg.trimEnd()).toMatch(/<\/svg>$/)
  expect(svg).toContain('<title>Loss</title>')
  expect(svg).toContain('<desc>cross entropy over epoch. training: 3 points, 2 at 0 to 0.5 at 2.</desc>')
  expect(svg).toContain('prefers-color-scheme:dark')
  expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|url\(|<script|href/)
  expect(pathOf(svg)).toBe('M60 66L378 264.67L696 364')
})

test('the line goes through its points: the first and last at the ends, values in proportion', () => {
  const numbers = pathOf(lineChart(chart()))!.split(/[ML ]/).filter(Boolean).map(Number)
  const [x0, y0, x1, y1, x2, y2] = numbers as [number, number, number, number, number, number]
  expect(x1 - x0).toBeCloseTo(x2 - x1, 1)
  expect(x2).toBe(696)
  expect((y1 - y0) / (y2 - y1)).toBeCloseTo(2, 2)
})

test('a point that is not finite is a gap, one between gaps a dot', () => {
  const points = [
    [0, 1],
    [1, 2],
    [2, Number.NaN],
    [3, 1],
    [4, Number.POSITIVE_INFINITY],
    [Number.NaN, 1],
    [6, 3],
    [7, 3],
  ] as const
  const svg = lineChart(chart({ series: [{ name: 'a', points }] }))
  expect(pathOf(svg)!.match(/M/g)!.length).toBe(3)
  expect(svg.match(/<circle/g)!.length).toBe(1)
  expect(svg).not.toMatch(/NaN|Infinity/)
})

test('constant, single and far values have an axis', () => {
  for (const points of [
    [[5, 7]],
    [
      [0, 0],
      [1, 0],
    ],
    [
      [1, 1e300],
      [2, -1e300],
    ],
    [
      [1, 1e-320],
      [2, 2e-320],
    ],
    [
      [1e9, 1],
      [1e9 + 1e-7, 2],
    ],
  ] as [number, number][][])
    expect(lineChart(chart({ series: [{ name: 'a', points }] })), `${points}`).not.toMatch(/NaN|Infinity|undefined/)
})

test('text is escaped, and what XML cannot hold is replaced', () => {
  const nasty = `<script>"&'\u0000\u{d800}`
  const svg = lineChart(chart({ title: nasty, xLabel: nasty, yLabel: nasty, series: [{ name: nasty, points: [[0, 0]] }] }))
  expect(svg).not.toContain('<script')
  expect(svg).toContain('<title>&#60;script&#62;&#34;&#38;&#39;\ufffd\ufffd</title>')
  expect(svg.match(/&(?!#\d+;)/)).toBe(null)
  expect(svg.isWellFormed()).toBe(true)
})

test('more lines than colours differ by their dash; a long name is cut in the legend alone', () => {
  const series = Array.from({ length: 18 }, (_, i) => ({
    name: `line ${i} ${'x'.repeat(i === 4 ? 200 : 0)}`,
    points: [
      [0, i],
      [1, i],
    ] as const,
  }))
  const svg = lineChart(chart({ series }))
  expect(new Set(svg.match(/class="l s\d"( stroke-dasharray="[^"]*")?/g)).size).toBe(18)
  expect(svg.match(/x{200}/g)!.length).toBe(1)
  expect(svg).toMatch(/x…<\/text>/)
})

test('what cannot be drawn is refused', () => {
  const refused = (changed: Partial<LineChart>, message: string) => expect(() => lineChart(chart(changed)), message).toThrow(message)
  refused({ series: [] }, 'expected 1 to 18 series, received 0')
  refused({ series: Array(19).fill(chart().series[0]) }, 'received 19')
  refused({ series: [{ name: 'empty', points: [] }] }, 'expected a finite point in each series, received none in empty')
  refused({ series: [{ name: 'broken', points: [[0, Number.NaN]] }] }, 'none in broken')
  refused({ series: [{ name: 'far', points: [[0, 1.7e308]] }] }, 'coordinates up to 1e300')
  refused({ width: 100 }, 'received 100 by 420')
  refused({ height: Number.NaN }, 'received 720 by NaN')
  refused({ height: 160, series: Array(18).fill({ name: 'x'.repeat(60), points: [[0, 1]] }) }, 'for this legend, received 160')
})
