import { readFile } from 'node:fs/promises'
import { OperationError, parseTaskDocument, type TaskDocument } from '@pouw/primitives'
import { type Architecture, architecture, bindArithmetic } from '@pouw/training'
import { parse } from 'yaml'

/** People leave the hashes of kernels and program to the build that submits the task. */
function isUnbound(written: unknown): written is { version: 2 } {
  return typeof written === 'object' && written !== null && 'version' in written && written.version === 2 && !('arithmetic' in written)
}

/** `model: { architecture: { name, ...options } }` stands for its layers, input and loss; the document that is hashed has these alone. */
function spellOut(written: unknown): unknown {
  const model = (written as { ml?: { model?: { architecture?: Architecture } } } | null)?.ml?.model
  if (!model?.architecture) return written
  const { architecture: wanted, ...rest } = model
  const { input, layers, loss } = architecture(wanted)
  const shape = input.kind === 'tokens' ? { input: [input.length], vocabulary: input.vocabulary } : { input: input.shape }
  const { ml, ...others } = written as { ml: object }
  return { ...others, ml: { ...ml, model: { type: 'layers', ...shape, layers, loss: loss.type, ...rest } } }
}

const ANY = { kernels: '00'.repeat(32), program: '00'.repeat(32) }

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
    const written = spellOut(parse(text, { schema: 'core' }))
    return isUnbound(written) ? bindArithmetic(parseTaskDocument({ ...written, arithmetic: ANY })) : parseTaskDocument(written)
  } catch (cause) {
    throw new OperationError('refused', `${file}: ${(cause as Error).message}`, { cause })
  }
}
