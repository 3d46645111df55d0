/** Stands in for a node in the launcher's tests: says what the real one says, and ends, dies or hangs as its folder's name tells. */
import { readFileSync } from 'node:fs'

const config = JSON.parse(readFileSync(process.argv[4]!, 'utf8'))
const say = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`)
const mode = process.env.FAKE_NODE ?? ''

process.stdin.on('end', () => process.exit(0)).resume()
process.on('SIGTERM', () => (mode === 'hang' ? undefined : process.exit(0)))
process.on('SIGINT', () => {})

process.stdout.write('this is no line of ours\n')
say({ kind: 'ready', pid: process.pid, peerId: 'x', addresses: config.listen, height: 0 })
const block = {
  height: 1,
  hash: 'ab'.repeat(32),
  miner: 'cd'.repeat(32),
  iteration: 2,
  taskId: null,
  verifiers: ['ef'.repeat(32)],
  verified: true,
  timeS: 1,
}
say({ kind: 'event', name: 'block', fields: block, atMs: 1 })
if (config.role === 'client' && mode !== 'silent') {
  const settlement = {
    miners: [{ ticket: 'aa', iterations: 3, accuracy: 0.9, paid: '7' }],
    payoutTotal: '7',
    escrowTotal: '8',
    confiscated: '0',
    refundToClient: '1',
  }
  say({ kind: 'model', model: { taskId: 'ee'.repeat(32), modelFile: '/m', cardFile: '/c', loss: 0.4, accuracy: 0.9, settlement } })
}
if (mode === 'die' && config.role === 'supervisor') {
  process.stderr.write('something broke\n')
  process.exitCode = 1
  process.stdin.pause()
}
