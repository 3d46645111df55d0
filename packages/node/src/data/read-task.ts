import { readFile } from 'node:fs/promises'
import { OperationError, parseTaskDocument, type TaskDocument } from '@pouw/primitives'
import { parse } from 'yaml'

/** @throws OperationError `not-found` or `refused`, naming the file and the place in it. */
export async function readTask(file: string): Promise<TaskDocument> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new OperationError('not-found', `cannot read the task ${file}`, { cause })
  }
  try {
    // YAML 1.2 core: no tags that build objects, no merge keys; what is not in the schema of a task is refused by the parser behind it.
    return parseTaskDocument(parse(text, { schema: 'core' }))
  } catch (cause) {
    throw new OperationError('refused', `${file}: ${(cause as Error).message}`, { cause })
  }
}
