import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { createNetwork, type Network, type NetworkEvents } from '../src/index.ts'

interface Said {
  address?: string
  frame?: string
  gossip?: string
}

let child: ChildProcess | undefined
let network: Network | undefined

afterEach(async () => {
  child?.kill('SIGKILL')
  await network?.stop()
})

function startPeer(listen: string): Promise<string> {
  child = fork(fileURLToPath(new URL('./peer-process.ts', import.meta.url)), [listen], { execArgv: [] })
  return said('address')
}

function said(what: keyof Said): Promise<string> {
  const from = child as ChildProcess
  return new Promise((resolve) => {
    const listen = (message: unknown) => {
      const text = (message as Said)[what]
      if (text === undefined) return
      from.off('message', listen)
      resolve(text)
    }
    from.on('message', listen)
  })
}

function next(event: keyof NetworkEvents): Promise<void> {
  return new Promise((resolve) => {
    const off = network?.on(event, () => {
      off?.()
      resolve()
    })
  })
}

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text))

test('a peer killed without warning is noticed, and everything works after it is back under the same identity and port', async () => {
  const address = await startPeer('/ip4/127.0.0.1/tcp/0')
  const peerId = address.split('/p2p/')[1] as string
  const handlers = { gossip: () => 'accept' as const, message: () => {}, request: async () => undefined }
  network = await createNetwork({ networkId: 'ab02', peerSeed: new Uint8Array(32).fill(1), listen: [], bootstrap: [address] }, handlers)
  await next('peer:ready')
  for (const round of [1, 2]) {
    const frame = said('frame')
    expect(network.send(peerId, bytesOf(`frame ${round}`))).toBe(true)
    expect(await frame).toBe(`frame ${round}`)

    const gone = next('peer:disconnect')
    child?.kill('SIGKILL')
    await gone
    const back = next('peer:ready')
    await startPeer(address.split('/p2p/')[0] as string)
    await back
    const gossip = said('gossip')
    await network.publish('block', bytesOf(`block ${round}`))
    expect(await gossip).toBe(`block ${round}`)
    const answer = await network.request(peerId, 'mempool', bytesOf('echo'), { maxBytes: 10, timeoutMs: 5_000 })
    expect(Buffer.from(answer).toString()).toBe('echo')
  }
})
