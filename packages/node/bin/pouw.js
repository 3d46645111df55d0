#!/usr/bin/env node
// Sources run as they stand, so the runtime must strip types by itself (Node 22.18). An older one hands over to the project's own.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as module from 'node:module'
import { fileURLToPath } from 'node:url'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major > 22 || (major === 22 && minor >= 18)) {
  // A devnet starts a dozen processes from the same sources: compile them once.
  module.enableCompileCache?.()
  await import('../src/cli/main.ts')
} else {
  const pinned = ['../../../node_modules/.bin/node', '../../../.bin/node', '../node_modules/.bin/node']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path))
  if (!pinned || process.env.POUW_REEXECUTED) {
    console.error(`pouw needs Node.js 22.18 or newer, this is ${process.versions.node}: run npm install in the project folder`)
    process.exit(1)
  }
  const child = spawn(pinned, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, POUW_REEXECUTED: '1' },
  })
  // The terminal tells both processes; other senders know only this one.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    console.error(error.message)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
}
