/** The live screen of a devnet: a block of lines that is drawn over itself on a terminal. */
import { bestChain, type Progress, phase, quality } from './progress.ts'

/** Lines of at most `columns` characters, without colours or control characters. */
export function renderProgress(progress: Progress, nowMs: number, columns: number): string[] {
  const members = [...progress.members]
  const running = members.filter(([, member]) => member.phase === 'running').length
  const chain = bestChain(progress)
  const top = chain.at(-1)
  const useful = chain.filter((block) => block.taskId !== null).length
  const lines = [
    `${phase(progress).padEnd(12)} ${((nowMs - progress.startedMs) / 1000).toFixed(0)} s, ${running} of ${members.length} processes up, ${memoryMiB(progress)} MiB`,
    top
      ? `height ${top.height}  ${top.hash.slice(0, 20)}  ${top.taskId ? `task iteration ${top.iteration}` : 'filler'}  by ${top.miner.slice(0, 8)}  replay ${top.replayMs === null ? '-' : `${top.replayMs.toFixed(1)} ms`}  ${useful} of ${chain.length} blocks by useful work`
      : 'height 0',
  ]
  for (const [name, member] of members) {
    if (member.role !== 'miner') continue
    const training = member.status?.training
    const state = member.phase === 'gone' ? 'gone' : (member.status?.ticketState ?? 'no ticket')
    lines.push(
      training
        ? `${name.padEnd(10)} ${bar(training.sequence / Math.max(1, training.due))} ${training.sequence}/${training.due}  ${member.iterationRate.toFixed(1)}/s  ${quality(training, 1)}  peers ${member.peers}`
        : `${name.padEnd(10)} ${state.toLowerCase()}  peers ${member.peers}`,
    )
  }
  const others = new Map<string, string[]>()
  for (const [, member] of members) {
    if (member.role === 'miner' || member.role === 'client') continue
    const state = member.phase === 'running' ? (member.status?.ticketState ?? 'no ticket').toLowerCase() : member.phase
    others.set(member.role, [...(others.get(member.role) ?? []), state])
  }
  for (const [role, states] of others) lines.push(`${`${role}s`.padEnd(12)}${tally(states)}`)
  return lines.map((line) => line.slice(0, columns))
}

/** What to write so that `lines` stand where the `before` lines of the last drawing stood. */
export function redraw(lines: readonly string[], before: number): string {
  const up = before > 0 ? `\u001b[${before}A` : ''
  const cleared = lines.map((line) => `\u001b[2K${line}\n`).join('')
  // A shorter picture leaves lines of the longer one behind: clear to the end of the screen.
  return `${up}\r${cleared}\u001b[J`
}

function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * 20)
  return `[${'#'.repeat(full)}${'.'.repeat(20 - full)}]`
}

function tally(states: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1)
  return [...counts].map(([state, count]) => `${count} ${state}`).join(', ')
}

function memoryMiB(progress: Progress): number {
  let bytes = 0
  for (const member of progress.members.values()) bytes += member.rssBytes
  return Math.round(bytes / 2 ** 20)
}
