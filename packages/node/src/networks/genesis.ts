export { type GenesisOptions, makeGenesis } from '@pouw/protocol'
