/** Our one error class: an operation that could not be done, as opposed to a bug (assert), misuse (TypeError) or a verdict (returned). */
export type OperationCode = 'not-found' | 'timeout' | 'aborted' | 'too-large' | 'corrupt' | 'unavailable' | 'refused' | 'io'

const RETRYABLE: ReadonlySet<OperationCode> = new Set(['timeout', 'unavailable', 'io'])

export class OperationError extends Error {
  readonly code: OperationCode
  readonly retryable: boolean

  /** @param message what happened, what was expected, what to try */
  constructor(code: OperationCode, message: string, options: { readonly cause?: unknown; readonly retryable?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'OperationError'
    this.code = code
    this.retryable = options.retryable ?? RETRYABLE.has(code)
  }
}
