import type { ComponentLogger } from './libp2p-types.ts'

/**
 * A logger that says nothing. libp2p makes a logger per stream and calls it several times per frame; its own one
 * matches name patterns each time, which shows in profiles of a node with many short streams.
 */
export function quietLogger(): ComponentLogger {
  const nothing = () => {}
  const logger = Object.assign(() => {}, { error: nothing, trace: nothing, enabled: false, newScope: () => logger })
  return { forComponent: () => logger } as unknown as ComponentLogger
}
