/** What the ledger accepts: transactions, blocks, tickets, tasks, settlement. Pure; it knows no clock, disk or network. */
export { attestRecord, minerTicket } from './block-rules.ts'
export type { Signer, TicketOrder } from './build.ts'
export {
  buildBuyTickets,
  buildCharge,
  buildMessageHistory,
  buildPayForTask,
  buildPayment,
  buildRecord,
  buildStakeRefund,
  finishCharge,
  withCertificate,
} from './build.ts'
export type { Chain, Entry } from './chain.ts'
export { createChain, workTarget } from './chain.ts'
export { bondOf, subsidy, verifierFee } from './economics/rewards.ts'
export type { Payout, Settlement, SettlementInput } from './economics/settlement.ts'
export { payoutsRoot, settle } from './economics/settlement.ts'
export type { Genesis, GenesisBlock, GenesisIdentity } from './genesis.ts'
export { genesisBlock } from './genesis.ts'
export { groupDigest, quorum } from './group-signature.ts'
export type { Mempool, MempoolLimits } from './mempool.ts'
export { createMempool } from './mempool.ts'
export type { Ranked } from './selection.ts'
export { isHit, rankParticipants, selectionAlpha, selectionKey, similarity, taskVector } from './selection.ts'
export type { Coin, HistoryRecord, Participant, TaskPhase, TaskState, Ticket, TicketRole, TicketState } from './state.ts'
export { buildTemplate, type TemplateOptions } from './template.ts'
export { settlementOf, TRAINING_COMPLETE } from './transactions.ts'
export type { OwnedCoin, View } from './view.ts'
