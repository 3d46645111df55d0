import { OperationError } from '@pouw/primitives'

/** Ways in which talking to a peer fails; `timeout` and `unavailable` may pass and are retryable. */
export type FailureCode = 'timeout' | 'too-large' | 'not-found' | 'unavailable' | 'aborted'

export function failure(code: FailureCode, message: string, cause?: unknown): OperationError {
  return new OperationError(code, message, { cause })
}

export function isFailure(error: unknown): error is OperationError {
  return error instanceof OperationError
}
