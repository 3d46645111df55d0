/**
 * Direct messages: one outgoing stream per peer, opened on first use, frames joined into one write per turn of the
 * event loop. A write costs a yamux frame, an encryption and a system call whatever its size, so a thousand small
 * frames in one write cost little more than one.
 */
import { type Chunks, createFrameReader, joinFrames } from './frames.ts'
import type { Connection, Stream } from './libp2p-types.ts'
import { type NetworkLimits, PENALTY } from './limits.ts'
import type { Log } from './log.ts'
import type { NetworkStats } from './network.ts'

/** Bytes joined into one write; above this the copy costs more than the write saves. */
const WRITE_BYTES = 128 * 1024
const REOPEN_MS_MIN = 50
const REOPEN_MS_MAX = 1_000

export interface DirectContext {
  protocol: string
  limits: NetworkLimits
  stats: NetworkStats
  log: Log
  /** Open connection to the peer, dialling what is known of it. */
  connectionTo(peerId: string, signal: AbortSignal): Promise<Connection>
  onMessage(bytes: Uint8Array, from: string): void
  penalise(peerId: string, points: number, reason: string): void
}

export interface Direct {
  send(peerId: string, bytes: Uint8Array): boolean
  /** Registered with libp2p for incoming streams. */
  receive(stream: Stream, connection: Connection): void
  /** True while a stream to the peer is open. */
  isOpen(peerId: string): boolean
  /** The peer is connected (again): try what waits for it at once. */
  kick(peerId: string): void
  /** Give up what waits for this peer and close its stream. */
  drop(peerId: string): void
  stop(): void
}

interface Outbox {
  readonly peerId: string
  frames: Uint8Array[]
  /** Index of the first waiting frame: shifting a long array would cost its length each time. */
  head: number
  bytes: number
  /** When the first of the waiting frames began to wait for the peer, ms. */
  waitingSinceMs: number
  stream: Stream | undefined
  opening: boolean
  flushing: boolean
  attempt: number
  timer: NodeJS.Timeout | undefined
}

export function createDirect(context: DirectContext): Direct {
  const { protocol, limits, stats, log } = context
  const outboxes = new Map<string, Outbox>()
  const stopping = new AbortController()

  function send(peerId: string, bytes: Uint8Array): boolean {
    let box = outboxes.get(peerId)
    if (box === undefined) {
      box = {
        peerId,
        frames: [],
        head: 0,
        bytes: 0,
        waitingSinceMs: 0,
        stream: undefined,
        opening: false,
        flushing: false,
        attempt: 0,
        timer: undefined,
      }
      outboxes.set(peerId, box)
    }
    const waiting = box.frames.length - box.head
    if (waiting >= limits.queueFrames || box.bytes + bytes.length > limits.queueBytes) {
      stats.framesRefused++
      return false
    }
    if (waiting === 0) box.waitingSinceMs = Date.now()
    box.frames.push(bytes)
    box.bytes += bytes.length
    if (box.stream === undefined) open(box)
    else if (!box.flushing) {
      box.flushing = true
      setImmediate(flush, box)
    }
    return true
  }

  function flush(box: Outbox): void {
    box.flushing = false
    const { stream } = box
    if (stream === undefined) return
    try {
      while (box.head < box.frames.length && !stream.writableNeedsDrain) {
        const first = box.head
        let bytes = 0
        while (box.head < box.frames.length) {
          const next = (box.frames[box.head] as Uint8Array).length
          if (bytes > 0 && bytes + next > WRITE_BYTES) break
          bytes += next
          box.head++
        }
        const batch = box.frames.slice(first, box.head)
        box.bytes -= bytes
        box.waitingSinceMs = Date.now()
        stats.framesSent += batch.length
        stats.frameBytesSent += bytes
        stream.send(joinFrames(batch, bytes))
      }
    } catch (error) {
      // The frames just taken are lost: after a broken stream nobody knows which bytes arrived, and sending them
      // again would deliver twice. The stream's close event starts the next one.
      log('debug', 'direct stream refused a write', { peer: box.peerId, error })
      if (stream.status === 'open') stream.abort(error as Error)
    }
    if (box.head === box.frames.length) {
      box.frames = []
      box.head = 0
      clearTimeout(box.timer)
      box.timer = undefined
    } else {
      if (box.head > 4_096) {
        box.frames = box.frames.slice(box.head)
        box.head = 0
      }
      watchStall(box)
    }
  }

  /** A peer that keeps the connection alive but reads nothing must not hold our memory. */
  function watchStall(box: Outbox): void {
    if (box.timer !== undefined) return
    box.timer = later(limits.stallMs, () => {
      box.timer = undefined
      if (box.stream === undefined || box.head === box.frames.length) return
      if (Date.now() - box.waitingSinceMs < limits.stallMs) watchStall(box)
      else box.stream.abort(new Error('peer reads nothing'))
    })
  }

  function open(box: Outbox): void {
    if (box.opening || box.stream !== undefined || stopping.signal.aborted) return
    clearTimeout(box.timer)
    box.timer = undefined
    box.opening = true
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(limits.dialMs)])
    context
      .connectionTo(box.peerId, signal)
      .then((connection) => connection.newStream(protocol, { signal }))
      .then(
        (stream) => opened(box, stream),
        (error) => notOpened(box, error),
      )
  }

  function opened(box: Outbox, stream: Stream): void {
    box.opening = false
    if (outboxes.get(box.peerId) !== box) {
      stream.abort(new Error('not wanted any more'))
      return
    }
    if (stream.status !== 'open') {
      notOpened(box, new Error('closed while opening'))
      return
    }
    box.stream = stream
    box.attempt = 0
    stream.addEventListener('drain', () => flush(box))
    stream.addEventListener('close', () => {
      if (box.stream !== stream) return
      box.stream = undefined
      clearTimeout(box.timer)
      box.timer = undefined
      if (box.head < box.frames.length) retry(box)
      else outboxes.delete(box.peerId)
    })
    // This stream goes one way; what a peer writes back is dropped instead of buffered.
    stream.closeRead().catch(() => {})
    flush(box)
  }

  function notOpened(box: Outbox, error: unknown): void {
    box.opening = false
    if (outboxes.get(box.peerId) !== box) return
    log('debug', 'direct stream not opened', { peer: box.peerId, attempt: box.attempt, error })
    if (Date.now() - box.waitingSinceMs >= limits.queueMs) drop(box.peerId)
    else retry(box)
  }

  function retry(box: Outbox): void {
    if (box.timer !== undefined || box.opening) return
    const pauseMs = Math.min(REOPEN_MS_MAX, REOPEN_MS_MIN * 2 ** box.attempt++)
    box.timer = later(pauseMs, () => {
      box.timer = undefined
      open(box)
    })
  }

  function kick(peerId: string): void {
    const box = outboxes.get(peerId)
    if (box !== undefined && box.stream === undefined) open(box)
  }

  function drop(peerId: string): void {
    const box = outboxes.get(peerId)
    if (box === undefined) return
    outboxes.delete(peerId)
    clearTimeout(box.timer)
    stats.framesDropped += box.frames.length - box.head
    const { stream } = box
    box.stream = undefined
    if (stream?.status === 'open') stream.abort(new Error('dropped'))
  }

  function receive(stream: Stream, connection: Connection): void {
    const from = connection.remotePeer.toString()
    const reader = createFrameReader(limits.frameBytes, (bytes) => {
      stats.framesReceived++
      stats.frameBytesReceived += bytes.length
      context.onMessage(bytes, from)
    })
    stream.addEventListener('message', (event) => {
      if (reader.push(event.data as Chunks)) return
      if (stream.status !== 'open') return
      stream.abort(new Error('frame length out of range'))
      context.penalise(from, PENALTY.frameOversized, `direct frame: length 0 or above ${limits.frameBytes}`)
    })
    // We never answer here; closing our end now lets the stream vanish as soon as the peer closes his.
    stream.close().catch(() => {})
  }

  function stop(): void {
    stopping.abort()
    for (const peerId of [...outboxes.keys()]) drop(peerId)
  }

  return { send, isOpen: (peerId) => outboxes.get(peerId)?.stream !== undefined, receive, kick, drop, stop }
}

/** A timer that does not keep the process alive. */
function later(ms: number, run: () => void): NodeJS.Timeout {
  return setTimeout(run, ms).unref()
}
