/** The devnet's parameters live with the protocol, since the simulator runs the same network. */
export { COIN, DEVNET_TICKET, devnetParams } from '@pouw/protocol'
