import type { Libp2p } from 'libp2p'

// libp2p keeps these in a package of its own; naming them through `Libp2p` spares us a second dependency.
export type Connection = Awaited<ReturnType<Libp2p['dial']>>
export type Stream = Awaited<ReturnType<Connection['newStream']>>
export type PeerId = Libp2p['peerId']
export type ComponentLogger = Libp2p['logger']
