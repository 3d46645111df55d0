/** Exit codes of every command. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const

/** The command was called in a way that makes no sense: exit code 2, message on stderr. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
