/**
 * The protocol as state machines: mining, verification, message history and the roles of a task.
 * Pure: time, network, disk, threads are handed in (`ports.ts`); equal events give equal effects.
 */
export { createBrain } from './brain.ts'
export type { BlockSummary, Brain, BrainConfig, NodeStatus, OperatorKeys, RoleName } from './brain-types.ts'
export { type Computer, type ComputerOptions, createComputer } from './compute.ts'
export { mineHeader, nonceAt, nonceIndex, nonceZero, precursor, tryBudget, worthATry } from './mining/nonce.ts'
export { COIN, DEVNET_TICKET, devnetParams } from './networks/devnet.ts'
export { type GenesisOptions, makeGenesis } from './networks/genesis.ts'
export type {
  Command,
  Effect,
  Event,
  GossipVerdict,
  IterateResult,
  Job,
  JobResult,
  MiningTicket,
  ReplayResult,
  ResultDraft,
  Service,
  Topic,
} from './ports.ts'
