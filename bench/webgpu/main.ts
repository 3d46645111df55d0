/**
 * Holds this machine's graphics processors to WebAssembly's bits: that of the package `webgpu` in Node, and that of Chromium.
 *
 *     node bench/webgpu/main.ts
 *
 * POUW_WEBGPU names the package's module where it is not installed here. Exit code: 0 if something was compared and nothing differs, else 1.
 */
import { askBrowser, type Browser } from '../digests/browsers.ts'
import { type Checked, checkGpu, GPU_PROFILES } from './check.ts'

const WAIT_MS = 120_000
/** SwiftShader, which Chromium brings, stands in for a graphics processor that this machine has not. */
const CHROMIUM: Browser = {
  name: 'Chromium',
  commands: ['chromium', 'chromium-browser', 'google-chrome'],
  args: (folder, url) => [
    ...['--headless=new', '--no-sandbox', '--no-first-run', `--user-data-dir=${folder}`],
    ...['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--use-webgpu-adapter=swiftshader', '--ignore-gpu-blocklist', url],
  ],
}

const rows: { readonly where: string; readonly checked: Checked }[] = []
const elsewhere = process.env.POUW_WEBGPU
const provider = elsewhere ? ((await import(elsewhere)) as { create(flags: string[]): GPU; globals: object }) : undefined
if (provider) Object.assign(globalThis, provider.globals)
for (const profile of GPU_PROFILES) rows.push({ where: 'Node', checked: await checkGpu(profile, provider?.create([])) })
const why = await askBrowser(CHROMIUM, { page: new URL('./page.ts', import.meta.url), query: '', waitMs: WAIT_MS }, (given) => {
  const answer = given as Checked & { readonly error?: string }
  if (answer.error !== undefined) return answer.error
  rows.push({ where: 'Chromium', checked: answer })
  return answer.profile === GPU_PROFILES.at(-1) ? '' : undefined
})
if (why !== '') process.stdout.write(`Chromium  SKIPPED: ${why}\n`)
for (const { where, checked } of rows) {
  const { profile, line, equal } = checked
  const outcome = equal === undefined ? 'SKIPPED' : equal ? 'equal' : 'OTHER BITS'
  process.stdout.write(`${where.padEnd(8)}  ${profile}  ${outcome}: ${line}\n`)
}
const compared = rows.filter(({ checked }) => checked.equal !== undefined)
// The package keeps the process alive.
process.exit(compared.length > 0 && compared.every(({ checked }) => checked.equal) ? 0 : 1)
