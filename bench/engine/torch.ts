/** PyTorch in a child process: it gets the works as files and takes its turns when asked. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Engine } from './alternate.ts'
import type { Work } from './works.ts'

export interface Torch {
  readonly version: string
  engine(work: Work): Engine
  close(): void
}

/** The system's Python has the system's PyTorch; one in a virtual environment usually has none. */
const PYTHON = '/usr/bin/python3'
const PROGRAM = fileURLToPath(new URL('./torch_steps.py', import.meta.url))

/** Answers why there is none where Python or PyTorch is missing. */
export async function startTorch(works: readonly Work[]): Promise<Torch | string> {
  const folder = mkdtempSync(join(tmpdir(), 'pouw-bench-'))
  const folders = works.map((work) => writeWork(folder, work))
  const environment = { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' }
  const child = spawn(PYTHON, [PROGRAM, ...folders], { stdio: ['pipe', 'pipe', 'pipe'], env: environment })
  let complaints = ''
  child.stderr.on('data', (text) => {
    complaints += text
  })
  const failed = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', () => resolve(complaints.trim().split('\n').at(-1) || 'it ended'))
  })
  const lines = createInterface({ input: child.stdout })
  const nextLine = () =>
    Promise.race([once(lines, 'line').then(([line]) => ({ line: line as string })), failed.then((why) => ({ line: undefined, why }))])
  const stop = () => {
    stopChild(child)
    rmSync(folder, { recursive: true, force: true })
  }
  const hello = await nextLine()
  if (hello.line === undefined) {
    stop()
    return `no PyTorch in ${PYTHON}: ${hello.why}`
  }
  const { torch: version } = JSON.parse(hello.line) as { torch: string }
  return {
    version,
    engine: ({ name }) => ({
      async run(steps) {
        const answered = nextLine()
        child.stdin.write(`${name} ${steps}\n`)
        const answer = await answered
        if (answer.line === undefined) throw new Error(`PyTorch, ${name}: ${answer.why}`)
        return JSON.parse(answer.line)
      },
      close() {},
    }),
    close: stop,
  }
}

function stopChild(child: ChildProcess): void {
  child.stdin?.end()
  child.kill()
}

function writeWork(folder: string, { name, model, batch, rate, weights, features, wanted }: Work): string {
  const own = join(folder, name)
  mkdirSync(own)
  const { tensors, declared } = model
  const targets = wanted instanceof Float32Array
  const head = { name, batch, rate, inputShape: declared.inputShape, targets, tensors }
  writeFileSync(join(own, 'work.json'), JSON.stringify(head))
  const parts = [weights, features, wanted].map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
  writeFileSync(join(own, 'work.bin'), Buffer.concat(parts))
  return own
}
