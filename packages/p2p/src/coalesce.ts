/**
 * One socket write per turn of the event loop, whatever the number of packets.
 *
 * libp2p writes every Yamux frame as a packet of its own, a 2-byte length and a ciphertext in two system calls, and
 * answers every data frame received with a window update. With small gossip messages most CPU goes into those calls.
 * The connection handed to the encrypter is the place where all of it passes by as bytes.
 */
import { Uint8ArrayList } from 'uint8arraylist'
import type { Connection, Stream } from './libp2p-types.ts'

/** The raw connection below the encrypter; of its type only this matters here. */
type RawConnection = Pick<Stream, 'send' | 'close' | 'abort' | 'status' | 'dispatchEvent' | 'addEventListener' | 'writableNeedsDrain'>

interface Encrypter {
  secureInbound(connection: never, options?: never): Promise<unknown>
  secureOutbound(connection: never, options?: never): Promise<unknown>
}

/** Bytes after which writers are told to wait for the next turn. */
const PENDING_BYTES = 256 * 1024

/** Wrap an encrypter factory so that its connections write once per turn. */
export function coalescing<C, E extends Encrypter>(create: (components: C) => E): (components: C) => E {
  return (components) => {
    const encrypter = create(components)
    const { secureInbound, secureOutbound } = encrypter
    encrypter.secureInbound = (connection, options) => secureInbound.call(encrypter, writeOncePerTurn(connection), options)
    encrypter.secureOutbound = (connection, options) => secureOutbound.call(encrypter, writeOncePerTurn(connection), options)
    return encrypter
  }
}

function writeOncePerTurn<T>(given: T): T {
  const connection = given as unknown as RawConnection & Pick<Connection, 'id'>
  const write = connection.send.bind(connection)
  const close = connection.close.bind(connection)
  let pending = new Uint8ArrayList()
  let scheduled = false
  let owesDrain = false

  function flush(): void {
    scheduled = false
    if (pending.byteLength === 0) return
    const bytes = pending.subarray()
    pending = new Uint8ArrayList()
    try {
      const wantsMore = write(bytes)
      if (!wantsMore || !owesDrain) return
    } catch {
      // Closed meanwhile: whoever writes hears it from the close event, and nobody waits for a drain any more.
      return
    }
    owesDrain = false
    connection.dispatchEvent(new Event('drain'))
  }

  // The socket's own drain also reaches those who wait, so nothing is owed after it.
  connection.addEventListener('drain', () => {
    owesDrain = false
  })
  connection.send = (data) => {
    pending.append(data)
    if (!scheduled) {
      scheduled = true
      setImmediate(flush)
    }
    if (pending.byteLength < PENDING_BYTES && !connection.writableNeedsDrain) return true
    owesDrain = true
    return false
  }
  connection.close = (options) => {
    flush()
    return close(options)
  }
  return given
}
