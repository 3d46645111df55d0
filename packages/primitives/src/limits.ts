/** Size caps of everything that arrives from outside, in bytes. A decoder refuses what is longer before it looks inside. */
export const LIMITS = {
  /** A protocol message other than SLOT_FINAL and PROPOSE. */
  messageBytes: 64 * 1024,
  /** Messages that carry messages or transactions. */
  largeMessageBytes: 3 * 1024 * 1024,
  /** IT_RES: a map of up to 2^18 words. */
  resultBytes: 1024 * 1024 + 512,
  blockBytes: 4 * 1024 * 1024,
  bundleBytes: 64 * 1024 * 1024,
  transactionBytes: 400_000,
  taskDocumentBytes: 16 * 1024,
  reportBytes: 64 * 1024,
  certifiedBlocksBytes: 64 * 1024 * 1024,
} as const
