import { expect, test } from 'vitest'
import { devnetParams } from '../networks/devnet.ts'
import { type Compute, createCompute } from './compute.ts'
import { packMessage } from './transfer.ts'

const { filler } = devnetParams(0)
const echo = () => createCompute({ filler, program: new URL('./echo-thread.ts', import.meta.url) })
const closeRun = (compute: Compute, run: string) => compute.run({ kind: 'close-run', run })

test('jobs are answered in the order they were handed in', async () => {
  const compute = echo()
  const order: string[] = []
  await Promise.all(
    Array.from({ length: 20 }, (_, i) => closeRun(compute, `job ${i}`).then((result) => order.push((result as { code: string }).code))),
  )
  expect(order).toEqual(Array.from({ length: 20 }, (_, i) => `job ${i}`))
  await compute.close()
})

test('the bytes of a job stay with the caller and arrive whole, views included', async () => {
  const compute = echo()
  const memory = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251)
  const batch = memory.subarray(100, 200_100)
  const result = (await compute.run({
    kind: 'evaluate',
    document: {} as never,
    model: batch,
    segments: [memory, memory.subarray(0, 10)],
  })) as unknown as {
    job: { model: Uint8Array; segments: Uint8Array[] }
  }
  expect(memory.length).toBe(300_000)
  expect(result.job.model).toEqual(batch)
  expect(result.job.model.buffer.byteLength).toBe(200_000)
  expect(result.job.segments.map(({ length }) => length)).toEqual([300_000, 10])
  await compute.close()
})

test.each(['die', 'exit'])('a thread that dies (%s) fails its jobs and comes back with the next one', async (how) => {
  const compute = echo()
  const [first, second] = await Promise.allSettled([closeRun(compute, how), closeRun(compute, 'behind it')])
  expect(first).toMatchObject({ status: 'rejected', reason: { name: 'OperationError', code: 'unavailable', retryable: true } })
  expect(second).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } })
  expect(await closeRun(compute, 'again')).toMatchObject({ code: 'again' })
  await compute.close()
})

test('close aborts what is unanswered and refuses what comes later', async () => {
  const compute = echo()
  const running = closeRun(compute, 'never answered')
  const aborted = expect(running).rejects.toMatchObject({ code: 'aborted' })
  await compute.close()
  await aborted
  await expect(closeRun(compute, 'late')).rejects.toMatchObject({ code: 'aborted' })
})

test('the real thread mines filler like the computer itself', async () => {
  const { createComputer } = await import('@pouw/protocol')
  const job = {
    kind: 'mine-filler',
    seed: '11'.repeat(32),
    ticketId: '22'.repeat(32),
    mining: { zeroNonceHeader: new Uint8Array(76), historyRoot: '00'.repeat(32), target: (1n << 252n) - 1n, budget: 4 },
  } as const
  const compute = createCompute({ filler })
  const result = await compute.run(job)
  await compute.close()
  expect(result).toEqual(createComputer({ filler }).run(job))
  expect(result).toMatchObject({ kind: 'mine-filler', win: { iteration: expect.any(Number) } })
})

test('giving away moves whole memory once and copies views', () => {
  const whole = new Uint8Array(100_000)
  const view = new Uint8Array(200_000).subarray(0, 100_000)
  const { message, transfer } = packMessage({ list: [whole, whole, view], small: new Uint8Array(10) }, 'give')
  const { list } = message as { list: Uint8Array[] }
  expect(transfer).toHaveLength(2)
  expect(transfer[0]).toBe(whole.buffer)
  expect(list[2]!.buffer).not.toBe(view.buffer)
  expect(packMessage(whole, 'copy').transfer[0]).not.toBe(whole.buffer)
})
