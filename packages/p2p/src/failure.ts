export type FailureCode = 'timeout' | 'too-large' | 'not-found' | 'unavailable' | 'aborted'
class OperationError extends Error {
  readonly code: string
  readonly retryable: boolean
  constructor(code: string, message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.name = 'OperationError'
    this.code = code
    this.retryable = options.retryable
  }
}
export function failure(code: FailureCode, message: string, cause?: unknown): OperationError {
  return new OperationError(code, message, { retryable: code === 'timeout' || code === 'unavailable', cause })
}
export const isFailure = (error: unknown): boolean => error instanceof OperationError
