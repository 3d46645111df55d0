/**
 * The answer to untrusted input. *drop* means "maybe later", *reject* "never", *slash* "and here is proof".
 */
export type Verdict = Accepted | Refusal

export interface Accepted {
  readonly ok: true
}

export interface Refusal {
  readonly ok: false
  /** A literal name, listed in docs/errors.md. */
  readonly code: string
  /** Number of the check in spec 10.6, where there is one. */
  readonly check?: number
  readonly action: 'drop' | 'reject' | 'slash'
  /** For people. */
  readonly detail?: string
}

export const OK: Accepted = { ok: true }

export function refuse(
  code: string,
  action: Refusal['action'] = 'reject',
  more: { readonly check?: number; readonly detail?: string } = {},
): Refusal {
  return { ok: false, code, action, ...more }
}
