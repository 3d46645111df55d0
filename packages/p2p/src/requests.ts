/**
 * Requests: one stream each, so a bulk answer never holds up anything else and its flow control is the stream's own.
 *
 *   request  u32 the most bytes the asker takes || u32 payload length || payload
 *   answer   u8 status || u32 length || body          (integers little-endian; length 0 unless status is ok)
 */
import { failure, isFailure } from './failure.ts'
import type { Chunks } from './frames.ts'
import type { Connection, Stream } from './libp2p-types.ts'
import { type NetworkLimits, PENALTY } from './limits.ts'
import type { Log } from './log.ts'
import type { NetworkStats, Service } from './network.ts'

const STATUS = { ok: 0, notFound: 1, busy: 2, failed: 3, tooLarge: 4 } as const
const REQUEST_HEADER_BYTES = 8
const ANSWER_HEADER_BYTES = 5
/** Part of a body handed to the stream before looking whether the peer still reads. */
const WRITE_BYTES = 1024 * 1024

export interface RequestContext {
  protocolOf(service: Service): string
  limits: NetworkLimits
  stats: NetworkStats
  log: Log
  connectionTo(peerId: string, signal: AbortSignal): Promise<Connection>
  answer(service: Service, payload: Uint8Array, from: string): Promise<Uint8Array | undefined>
  penalise(peerId: string, points: number, reason: string): void
}

export interface RequestOptions {
  signal?: AbortSignal
  maxBytes: number
  timeoutMs: number
}

export interface Requests {
  request(peerId: string, service: Service, payload: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  serve(service: Service, stream: Stream, connection: Connection): void
  stop(): void
}

export function createRequests(context: RequestContext): Requests {
  const { limits, stats, log } = context
  const asking = createTurns(limits.requestsPerPeer, limits.requestsWaiting)
  const serving = new Map<string, number>()
  let servingAll = 0
  const running = new Set<AbortController>()
  let stopped = false

  async function request(peerId: string, service: Service, payload: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    const { maxBytes, timeoutMs, signal } = options
    if (payload.length > limits.requestBytes)
      throw new RangeError(`payload: expected at most ${limits.requestBytes} bytes, received ${payload.length}`)
    if (!(Number.isSafeInteger(maxBytes) && maxBytes > 0 && maxBytes <= 0xffff_ffff))
      throw new RangeError(`maxBytes: expected 1..2^32-1, received ${maxBytes}`)
    if (!(timeoutMs > 0 && timeoutMs <= 0x7fff_ffff)) throw new RangeError(`timeoutMs: expected 1..2^31-1, received ${timeoutMs}`)
    if (stopped) throw failure('aborted', 'the network has stopped')
    if (signal?.aborted) throw failure('aborted', 'request aborted before it began', signal.reason)

    stats.requestsSent++
    const controller = new AbortController()
    running.add(controller)
    const timer = setTimeout(
      () => controller.abort(failure('timeout', `${service} request to ${peerId}: no answer in ${timeoutMs} ms`)),
      timeoutMs,
    )
    const onAbort = () => controller.abort(failure('aborted', `${service} request to ${peerId} aborted`, signal?.reason))
    signal?.addEventListener('abort', onAbort, { once: true })
    let done = () => {}
    try {
      done = await asking.take(peerId, controller.signal)
      const connection = await context.connectionTo(peerId, controller.signal)
      const stream = await connection.newStream(context.protocolOf(service), {
        signal: controller.signal,
        maxOutboundStreams: limits.requestsPerPeer * 2,
      })
      return await exchange(stream, payload, maxBytes, controller.signal, `${service} request to ${peerId}`, (reason) =>
        context.penalise(peerId, PENALTY.answerMalformed, reason),
      )
    } catch (error) {
      // Whatever libp2p makes of an abort, the reason we aborted for is the one to tell.
      if (controller.signal.aborted) throw controller.signal.reason
      if (isFailure(error)) throw error
      throw failure('unavailable', `${service} request to ${peerId} failed`, error)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      running.delete(controller)
      done()
    }
  }

  function serve(service: Service, stream: Stream, connection: Connection): void {
    const from = connection.remotePeer.toString()
    const mine = serving.get(from) ?? 0
    if (mine >= limits.requestsPerPeer || servingAll >= limits.requestsServed || stopped) {
      stats.requestsRefused++
      refuse(stream)
      return
    }
    serving.set(from, mine + 1)
    servingAll++
    answerOne(service, stream, from)
      .catch((error) => {
        log('debug', 'request not answered', { peer: from, service, error })
        if (stream.status === 'open') stream.abort(error as Error)
      })
      .finally(() => {
        servingAll--
        const left = (serving.get(from) ?? 1) - 1
        if (left === 0) serving.delete(from)
        else serving.set(from, left)
      })
  }

  async function answerOne(service: Service, stream: Stream, from: string): Promise<void> {
    const asked = await readRequest(stream, from)
    if (asked === undefined) return
    let body: Uint8Array | undefined
    let status: number = STATUS.ok
    try {
      body = await context.answer(service, asked.payload, from)
      if (body === undefined) status = STATUS.notFound
      else if (body.length > asked.maxBytes) status = STATUS.tooLarge
    } catch (error) {
      log('error', 'request handler threw', { peer: from, service, error })
      status = STATUS.failed
    }
    if (stream.status !== 'open') return
    if (status === STATUS.ok) stats.requestsServed++
    await writeAnswer(stream, status, status === STATUS.ok ? (body as Uint8Array) : new Uint8Array(0), limits.stallMs)
  }

  /** The request's bytes, or undefined after the stream was cut and the peer judged. */
  function readRequest(stream: Stream, from: string): Promise<{ maxBytes: number; payload: Uint8Array } | undefined> {
    return new Promise((resolve) => {
      const reader = createBodyReader(REQUEST_HEADER_BYTES, (header) => {
        const length = header.getUint32(4, true)
        return length <= limits.requestBytes && header.getUint32(0, true) > 0 ? length : undefined
      })
      const cut = (points: number, reason: string) => {
        finish(undefined)
        if (stream.status === 'open') stream.abort(new Error(reason))
        context.penalise(from, points, reason)
      }
      const timer = setTimeout(() => cut(PENALTY.stalled, 'request not completed in time'), limits.stallMs)
      const onMessage = (event: { data: unknown }) => {
        const state = reader.push(event.data as Chunks)
        if (state === 'refused') cut(PENALTY.requestMalformed, 'request header out of range')
        else if (state === 'complete') finish({ maxBytes: reader.header.getUint32(0, true), payload: reader.body })
      }
      const onClose = () => finish(undefined)
      function finish(result: { maxBytes: number; payload: Uint8Array } | undefined) {
        clearTimeout(timer)
        stream.removeEventListener('message', onMessage)
        stream.removeEventListener('close', onClose)
        resolve(result)
      }
      stream.addEventListener('close', onClose)
      stream.addEventListener('message', onMessage)
      if (stream.status !== 'open') onClose()
    })
  }

  function refuse(stream: Stream): void {
    writeAnswer(stream, STATUS.busy, new Uint8Array(0), limits.stallMs)
      .catch(() => {})
      .finally(() => {
        // The asker's payload is not wanted; a graceful close would go on receiving it.
        if (stream.status === 'open') stream.closeRead().catch(() => {})
      })
  }

  function stop(): void {
    stopped = true
    for (const controller of running) controller.abort(failure('aborted', 'the network has stopped'))
  }

  return { request, serve, stop }
}

async function exchange(
  stream: Stream,
  payload: Uint8Array,
  maxBytes: number,
  signal: AbortSignal,
  what: string,
  onMalformed: (reason: string) => void,
): Promise<Uint8Array> {
  const answer = readAnswer(stream, maxBytes, signal, what, onMalformed)
  try {
    const header = Buffer.alloc(REQUEST_HEADER_BYTES + payload.length)
    header.writeUInt32LE(maxBytes, 0)
    header.writeUInt32LE(payload.length, 4)
    header.set(payload, REQUEST_HEADER_BYTES)
    stream.send(header)
  } catch (error) {
    answer.catch(() => {})
    throw error
  }
  const body = await answer
  stream.close().catch(() => {})
  return body
}

function readAnswer(
  stream: Stream,
  maxBytes: number,
  signal: AbortSignal,
  what: string,
  onMalformed: (reason: string) => void,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const reader = createBodyReader(ANSWER_HEADER_BYTES, (header) => {
      const status = header.getUint8(0)
      const length = header.getUint32(1, true)
      if (status > STATUS.tooLarge || (status !== STATUS.ok && length !== 0) || length > maxBytes) return undefined
      return length
    })
    const onMessage = (event: { data: unknown }) => {
      const state = reader.push(event.data as Chunks)
      if (state === 'refused') {
        const oversized = reader.header.getUint8(0) === STATUS.ok
        settle(() => reject(failure(oversized ? 'too-large' : 'unavailable', `${what}: answer header out of range`)))
        if (stream.status === 'open') stream.abort(new Error('answer header out of range'))
        // The peer was told the limit, so a longer answer is no honest mistake.
        onMalformed('answer header out of range')
      } else if (state === 'complete') settle(() => judge())
    }
    const judge = () => {
      const status = reader.header.getUint8(0)
      if (status === STATUS.ok) return resolve(reader.body)
      stream.close().catch(() => {})
      if (status === STATUS.notFound) reject(failure('not-found', `${what}: the peer has no such thing`))
      else if (status === STATUS.tooLarge) reject(failure('too-large', `${what}: the answer is longer than ${maxBytes} bytes`))
      else if (status === STATUS.busy) reject(failure('unavailable', `${what}: the peer is busy`))
      else reject(failure('unavailable', `${what}: the peer failed to answer`))
    }
    const onClose = (event?: { error?: unknown }) =>
      settle(() => reject(failure('unavailable', `${what}: the stream closed before the answer`, event?.error)))
    const onAbort = () => {
      settle(() => reject(signal.reason))
      if (stream.status === 'open') stream.abort(signal.reason)
    }
    function settle(act: () => void) {
      stream.removeEventListener('message', onMessage)
      stream.removeEventListener('close', onClose as () => void)
      stream.removeEventListener('remoteCloseWrite', onEnd)
      signal.removeEventListener('abort', onAbort)
      act()
    }
    // The peer's end-of-stream may come with its last bytes; those still in the stream's buffer count.
    const onEnd = () => queueMicrotask(() => reader.state() === 'reading' && stream.readBufferLength === 0 && onClose())
    stream.addEventListener('message', onMessage)
    stream.addEventListener('close', onClose as () => void)
    stream.addEventListener('remoteCloseWrite', onEnd)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    else if (stream.status !== 'open') onClose()
  })
}

async function writeAnswer(stream: Stream, status: number, body: Uint8Array, stallMs: number): Promise<void> {
  const header = Buffer.alloc(ANSWER_HEADER_BYTES)
  header.writeUInt8(status, 0)
  header.writeUInt32LE(body.length, 1)
  stream.send(header)
  for (let at = 0; at < body.length; at += WRITE_BYTES) {
    if (stream.writableNeedsDrain) await stream.onDrain({ signal: AbortSignal.timeout(stallMs) })
    stream.send(body.subarray(at, at + WRITE_BYTES))
  }
  await stream.close({ signal: AbortSignal.timeout(stallMs) })
}

interface BodyReader {
  readonly header: DataView
  readonly body: Uint8Array
  state(): 'reading' | 'complete' | 'refused'
  push(data: Chunks): 'reading' | 'complete' | 'refused'
}

/** Read a header of fixed size, ask `lengthOf` how long the body is (undefined = refuse), then the body. */
function createBodyReader(headerBytes: number, lengthOf: (header: DataView) => number | undefined): BodyReader {
  const headerBuffer = new Uint8Array(headerBytes)
  const header = new DataView(headerBuffer.buffer)
  let state: 'reading' | 'complete' | 'refused' = 'reading'
  let headerFilled = 0
  let body = new Uint8Array(0)
  let filled = 0

  function pushChunk(chunk: Uint8Array): void {
    let at = 0
    if (headerFilled < headerBytes) {
      at = Math.min(headerBytes - headerFilled, chunk.length)
      headerBuffer.set(chunk.subarray(0, at), headerFilled)
      headerFilled += at
      if (headerFilled < headerBytes) return
      const length = lengthOf(header)
      if (length === undefined) {
        state = 'refused'
        return
      }
      // Zeroed memory of this size is mapped lazily: an announced length costs pages only as bytes arrive.
      body = new Uint8Array(length)
    }
    const take = Math.min(body.length - filled, chunk.length - at)
    body.set(chunk.subarray(at, at + take), filled)
    filled += take
    if (filled === body.length) state = 'complete'
  }

  return {
    header,
    get body() {
      return body
    },
    state: () => state,
    push(data) {
      if (data instanceof Uint8Array) {
        if (state === 'reading') pushChunk(data)
      } else for (const chunk of data) if (state === 'reading') pushChunk(chunk)
      return state
    },
  }
}

/** At most `atOnce` holders per peer; others wait in line, at most `waitingMax` of them. */
function createTurns(atOnce: number, waitingMax: number) {
  const lines = new Map<string, { active: number; waiting: Set<() => void> }>()

  async function take(peerId: string, signal: AbortSignal): Promise<() => void> {
    let line = lines.get(peerId)
    if (line === undefined) {
      line = { active: 0, waiting: new Set() }
      lines.set(peerId, line)
    }
    const mine = line
    if (mine.active >= atOnce) {
      if (mine.waiting.size >= waitingMax) throw failure('unavailable', `more than ${waitingMax} requests wait for ${peerId}`)
      await new Promise<void>((resolve, reject) => {
        const go = () => {
          signal.removeEventListener('abort', quit)
          resolve()
        }
        const quit = () => {
          mine.waiting.delete(go)
          reject(signal.reason)
        }
        mine.waiting.add(go)
        signal.addEventListener('abort', quit, { once: true })
      })
    } else mine.active++
    let released = false
    return () => {
      if (released) return
      released = true
      // A turn passes on to the first in line without being given back in between.
      const [next] = mine.waiting
      if (next !== undefined) {
        mine.waiting.delete(next)
        next()
      } else if (--mine.active === 0) lines.delete(peerId)
    }
  }

  return { take }
}
