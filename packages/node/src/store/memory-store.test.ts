import { createMemoryDisk, openMemoryStore } from './memory-store.ts'
import { storeCompliance } from './store-compliance.ts'

storeCompliance('memory', async () => {
  const disk = createMemoryDisk()
  return async () => openMemoryStore(disk)
})
