import { roundTicks } from './ticks.ts'

/** What a line chart shows. */
export interface LineChart {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  /** Each a line through its points [x, y] in their order; a point that is not finite is a gap. */
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[]
  /** Pixels, 720 x 420 without. */
  readonly width?: number
  readonly height?: number
}

/** By line; the second colour is for dark pages. From the set of Okabe and Ito (2008), which also the colour-blind tell apart. */
const COLOURS = [
  ['#0072b2', '#56b4e9'],
  ['#d55e00', '#ff8a3d'],
  ['#008060', '#2ec79a'],
  ['#aa4488', '#e78ac3'],
  ['#8a6d00', '#f0c93e'],
  ['#5b5b66', '#b8b8c4'],
] as const
/** More lines than colours repeat these with another dash. */
const DASHES = ['', '7 4', '2 4']
const LINE_WIDTH = 2
/** What a character of 12 pixels takes, somewhat generously: a function without a screen cannot measure. */
const CHARACTER = 6.8

/**
 * A chart as one SVG document: round ticks, a grid, a legend, colours for light and dark pages, title and description for those who listen. No script,
 * no font, no reference to anything outside; text is escaped. Equal arguments give equal text.
 *
 * @throws RangeError without series, for a series without a finite point, more lines than can be told apart (18), coordinates beyond 1e300,
 *   a size not in 240..10000 by 160..10000, or a legend that leaves no room
 */
export function lineChart({ title, xLabel, yLabel, series, width = 720, height = 420 }: LineChart): string {
  if (!(width >= 240 && width <= 10_000 && height >= 160 && height <= 10_000))
    throw new RangeError(`lineChart: expected a size in 240..10000 by 160..10000, received ${width} by ${height}`)
  if (series.length === 0 || series.length > COLOURS.length * DASHES.length)
    throw new RangeError(`lineChart: expected 1 to ${COLOURS.length * DASHES.length} series, received ${series.length}`)
  const drawn = series.map(({ points }) => points.filter(isFinitePoint))
  for (const [i, { name }] of series.entries())
    if (drawn[i]!.length === 0) throw new RangeError(`lineChart: expected a finite point in each series, received none in ${name}`)
  const [xs, ys] = [rangeOf(drawn, 0), rangeOf(drawn, 1)]

  const legend = legendOf(
    series.map(({ name }) => name),
    width,
  )
  const top = 48 + legend.height
  const bottom = height - 56
  if (bottom - top < 40) throw new RangeError(`lineChart: expected a height from ${top + 96} for this legend, received ${height}`)
  const y = roundTicks(ys.least, ys.most, Math.max(3, Math.min(8, Math.floor((bottom - top) / 45))), true)
  const left = Math.round(40 + CHARACTER * Math.max(...y.labels.map((label) => label.length)))
  const right = width - 24
  const x = roundTicks(xs.least, xs.most, Math.max(3, Math.min(10, Math.floor((right - left) / 80))), false)
  const [floor, ceiling] = [y.values[0]!, y.values.at(-1)!]
  const across = (value: number) => short(left + ((right - left) * (value - xs.least)) / (xs.most - xs.least))
  const up = (value: number) => short(bottom - ((bottom - top) * (value - floor)) / (ceiling - floor))

  const lines = series.map(({ points }, i) => {
    const runs = runsOf(points)
    const path = runs.map((run) => `M${run.map(([px, py]) => `${across(px)} ${up(py)}`).join('L')}`).join('')
    const alone = runs
      .filter((run) => run.length === 1)
      .map(([point]) => `<circle class="d${i % COLOURS.length}" cx="${across(point![0])}" cy="${up(point![1])}" r="3"/>`)
    return `<path class="l ${strokeOf(i)} d="${path}"/>${alone.join('')}`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="line-chart" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" aria-label="${escaped(title)}">`,
    `<title>${escaped(title)}</title>`,
    `<desc>${escaped(
      describe(
        yLabel,
        xLabel,
        series.map(({ name }) => name),
        drawn,
      ),
    )}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${width}" height="${height}" rx="6"/>`,
    `<text class="title" x="${left}" y="28">${escaped(title)}</text>`,
    ...legend.items.map(({ name, at, row }, i) => {
      const [from, middle] = [short(left + at), 48 + 18 * row]
      return `<path class="l ${strokeOf(i)} d="M${from} ${middle - 4}h22"/><text x="${short(left + at + 28)}" y="${middle}">${escaped(name)}</text>`
    }),
    ...y.values.map(
      (value, i) =>
        `<path class="grid" d="M${left} ${up(value)}H${right}"/><text class="end" x="${left - 8}" y="${short(up(value) + 4)}">${y.labels[i]}</text>`,
    ),
    ...x.values.map(
      (value, i) =>
        `<path class="axis" d="M${across(value)} ${bottom}v5"/><text class="middle" x="${across(value)}" y="${bottom + 20}">${x.labels[i]}</text>`,
    ),
    `<path class="axis" d="M${left} ${bottom}H${right}"/>`,
    `<text class="middle name" x="${short((left + right) / 2)}" y="${height - 12}">${escaped(xLabel)}</text>`,
    `<text class="middle name" transform="translate(18 ${short((top + bottom) / 2)})rotate(-90)">${escaped(yLabel)}</text>`,
    ...lines,
    '</svg>\n',
  ].join('\n')
}

const STYLE = [
  '.line-chart{font:12px system-ui,sans-serif;color-scheme:light dark}',
  '.line-chart .page{fill:#fff}.line-chart text{fill:#3a3a44}.line-chart .title{font-size:16px;font-weight:600;fill:#16161d}',
  '.line-chart .end{text-anchor:end}.line-chart .middle{text-anchor:middle}.line-chart .name{font-size:13px}',
  '.line-chart path{fill:none}.line-chart .grid{stroke:#e3e3ea}.line-chart .axis{stroke:#8a8a96}',
  `.line-chart .l{stroke-width:${LINE_WIDTH};stroke-linejoin:round;stroke-linecap:round}`,
  ...COLOURS.map(([light], i) => `.line-chart .s${i}{stroke:${light}}.line-chart .d${i}{fill:${light}}`),
  '@media(prefers-color-scheme:dark){',
  '.line-chart .page{fill:#17171c}.line-chart text{fill:#c9c9d2}.line-chart .title{fill:#f3f3f7}',
  '.line-chart .grid{stroke:#33333c}.line-chart .axis{stroke:#7d7d89}',
  ...COLOURS.map(([, dark], i) => `.line-chart .s${i}{stroke:${dark}}.line-chart .d${i}{fill:${dark}}`),
  '}',
].join('')

/** The end of a class attribute, and the dash of the line. */
function strokeOf(i: number): string {
  const dash = DASHES[Math.floor(i / COLOURS.length)]!
  return `s${i % COLOURS.length}"${dash && ` stroke-dasharray="${dash}"`}`
}

type Point = readonly [x: number, y: number]

function isFinitePoint([x, y]: Point): boolean {
  return Number.isFinite(x) && Number.isFinite(y)
}

/** The points between gaps. */
function runsOf(points: readonly Point[]): Point[][] {
  const runs: Point[][] = [[]]
  for (const point of points) {
    if (isFinitePoint(point)) runs.at(-1)!.push(point)
    else runs.push([])
  }
  return runs.filter((run) => run.length > 0)
}

/** From the least to the most coordinate; where they are equal, or too near to be parted by ticks, with room on both sides. */
function rangeOf(series: readonly (readonly Point[])[], axis: 0 | 1): { readonly least: number; readonly most: number } {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const points of series)
    for (const point of points) {
      least = Math.min(least, point[axis])
      most = Math.max(most, point[axis])
    }
  const size = Math.max(Math.abs(least), Math.abs(most))
  if (!(size <= 1e300)) throw new RangeError(`lineChart: expected coordinates up to 1e300, received ${size}`)
  if (most - least > size * 1e-9 && most - least > 1e-300) return { least, most }
  const room = size > 1e-290 ? size * 0.1 : 1
  return { least: least - room, most: most + room }
}

/** Items in rows, each with its distance from the left; a name longer than a row is cut, and whole in the description. */
function legendOf(names: readonly string[], width: number) {
  let [at, row] = [0, 0]
  const fits = Math.floor((width - 150) / CHARACTER)
  const items = names.map((whole) => {
    const letters = [...whole]
    const name = letters.length > fits ? `${letters.slice(0, fits - 1).join('')}…` : whole
    const item = 28 + CHARACTER * name.length + 20
    if (at > 0 && at + item > width - 90) [at, row] = [0, row + 1]
    const place = { name, at, row }
    at += item
    return place
  })
  return { items, height: 18 * (row + 1) }
}

function describe(yLabel: string, xLabel: string, names: readonly string[], drawn: readonly (readonly Point[])[]): string {
  const texts = drawn.map((points, i) => {
    const [first, last] = [points[0]!, points.at(-1)!]
    return `${names[i]}: ${points.length} ${points.length === 1 ? 'point' : 'points'}, ${brief(first[1])} at ${brief(first[0])} to ${brief(last[1])} at ${brief(last[0])}.`
  })
  return `${yLabel} over ${xLabel}. ${texts.join(' ')}`
}

/** Six digits. */
function brief(value: number): number {
  return Number(value.toPrecision(6))
}

/** Hundredths of a pixel. */
function short(value: number): number {
  return Math.round(value * 100) / 100
}

/** For text and quoted attributes; what XML cannot hold becomes U+FFFD. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\P{Cc}\t\n\r]|[\ufffe\uffff]/gu, '\ufffd')
    .replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}
