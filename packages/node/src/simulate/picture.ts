/** A run of the simulator as a small picture in plain characters: a time line of phases, blocks and restarts; each miner's accuracy. */
import type { ScenarioReport } from '@pouw/sim'

const COLUMNS = 64
const LABEL = 11

type Drawn = Pick<ScenarioReport, 'virtualS' | 'phases' | 'blocks' | 'restarts' | 'accuracy'>

/** Lines without a line feed, at most 80 characters each. */
export function picture(report: Drawn): string[] {
  const column = (atS: number) => Math.max(0, Math.min(COLUMNS - 1, Math.floor((COLUMNS * atS) / Math.max(1, report.virtualS))))
  const blocks = Array<string>(COLUMNS).fill('.')
  // A column that holds a task block and filler blocks shows the task block: it is what the picture is for.
  for (const { atS, kind } of report.blocks) if (blocks[column(atS)] !== 'T') blocks[column(atS)] = kind === 'task' ? 'T' : 'f'
  const times = report.phases.map(({ state, atS }) => `${state.toLowerCase()} ${Math.round(atS)}`)
  const lines = [row('', scale(report.virtualS)), row('phase', phases(report, column)), row('blocks', blocks.join(''))]
  for (const node of new Set(report.restarts.map((restart) => restart.node))) {
    const life = Array<string>(COLUMNS).fill('-')
    for (const { node: other, downAtS, upAtS } of report.restarts) {
      if (other !== node) continue
      for (let at = column(downAtS); at <= column(upAtS ?? report.virtualS); at++) life[at] = 'x'
    }
    lines.push(row(node, life.join('')))
  }
  const legend = ['T task block', 'f filler block', ...(report.restarts.length > 0 ? ['x down'] : [])]
  lines.push(row('', legend.join(', ')), ...fold('since', times))
  for (const [index, { accuracy, recorded }] of report.accuracy.entries()) {
    const filled = Math.round(40 * accuracy)
    lines.push(row(`model ${index + 1}`, `${'#'.repeat(filled)}${'.'.repeat(40 - filled)} ${(100 * accuracy).toFixed(2)} % in ${recorded}`))
  }
  return lines
}

function row(label: string, content: string): string {
  return `  ${label.slice(0, LABEL + 2).padEnd(LABEL + 2)} ${content}`.trimEnd()
}

/** Words in as many rows as they need. */
function fold(label: string, words: readonly string[]): string[] {
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 2 + word.length <= COLUMNS) lines[lines.length - 1] = `${last}, ${word}`
    else lines.push(word)
  }
  return lines.map((line, index) => row(index === 0 ? label : '', line))
}

/** 0 on the left, the end on the right, the middle between. */
function scale(virtualS: number): string {
  const end = `${Math.round(virtualS)} s`
  const middle = `${Math.round(virtualS / 2)} s`
  const left = `0 s${' '.repeat(COLUMNS / 2 - 3)}${middle}`
  return `${left}${' '.repeat(Math.max(1, COLUMNS - left.length - end.length))}${end}`
}

/** Each phase's name from where it starts, as far as there is room. */
function phases({ phases: list, virtualS }: Drawn, column: (atS: number) => number): string {
  const line = Array<string>(COLUMNS).fill(' ')
  for (const [index, { state, atS }] of list.entries()) {
    const from = column(atS)
    const next = list[index + 1]
    const until = next ? Math.max(from + 1, column(next.atS)) : COLUMNS
    for (let at = from; at < until; at++) line[at] = at === from ? '|' : (state[at - from - 1]?.toLowerCase() ?? '-')
  }
  return virtualS > 0 ? line.join('').trimEnd() : ''
}
