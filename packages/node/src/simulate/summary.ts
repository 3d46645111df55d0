/** What people read after a simulation. */
import type { ScenarioReport } from '@pouw/sim'
import { picture } from './picture.ts'

export function summary(report: ScenarioReport & { readonly wallS: number; readonly timesRealTime: number }): string {
  const { name, seed, taskState, height, virtualS, taskBlocks, events, wallS, timesRealTime, broken, checks } = report
  const lines = [
    `${name}, seed ${seed}: task ${taskState} at height ${height} after ${virtualS.toFixed(1)} virtual seconds`,
    '',
    ...picture(report),
    '',
    `${taskBlocks} of ${height} blocks are task work, ${events} events, ${wallS.toFixed(1)} s of real time (${timesRealTime.toFixed(1)} times real time)`,
    ...checks.map((check) => `${check.held ? 'held' : 'BROKEN'}  ${check.name} (${check.looks} looks)`),
    `digest of all effects: ${report.digest}`,
  ]
  if (broken) {
    lines.push(
      '',
      `BROKEN: ${broken.check}`,
      `  ${broken.what}`,
      `  at step ${broken.step}, ${broken.atS.toFixed(3)} virtual seconds, on ${broken.node}`,
      `  the same again: --seed ${broken.seed}`,
    )
  }
  return `${lines.join('\n')}\n`
}
