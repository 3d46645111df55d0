import { serveThread, type ThreadStart } from './thread-start.ts'

addEventListener('message', (event: MessageEvent<ThreadStart>) => serveThread(event.data, () => postMessage('ready')), { once: true })
