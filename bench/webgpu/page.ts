/** What the browser does: checks every profile on its own WebGPU and posts what came of it. */
import { checkGpu, GPU_PROFILES } from './check.ts'

const post = (what: unknown) => fetch('/answer', { method: 'POST', body: JSON.stringify(what) })
try {
  for (const profile of GPU_PROFILES) await post(await checkGpu(profile))
} catch (error) {
  await post({ error: String(error) })
}
