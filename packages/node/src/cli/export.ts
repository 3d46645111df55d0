import type { Command } from 'commander'
import { UsageError } from './exit.ts'

export function registerExport(program: Command): void {
  program
    .command('export')
    .description('write a bought or saved model as ONNX, which onnxruntime and other tools load')
    .argument('<model>', 'model.safetensors of a task, or a file of saveModel')
    .argument('[onnx]', 'where to; default: beside it, with .onnx for its ending')
    .addHelpText(
      'after',
      `
The model must bring its layers in the file's metadata, as files of this program do. Inputs of the exported
model are what it was trained on: features times the data set's scale, or tokens. Exit code: 0 written, 1 the
file is none or holds what ONNX cannot say, 2 wrong usage.

Example:
  $ pouw export models/TASK/model.safetensors model.onnx`,
    )
    .action(run)
}

async function run(file: string, to = file.replace(/(\.safetensors)?$/, '.onnx')): Promise<void> {
  if (to === file) throw new UsageError(`expected another file to write than ${file}`)
  const { readFile, writeFile } = await import('node:fs/promises')
  const { OperationError } = await import('@pouw/primitives')
  const { exportOnnx, loadModel } = await import('@pouw/training')
  const bytes = await readFile(file).catch((cause) => {
    throw new OperationError('not-found', `cannot read the model ${file}`, { cause })
  })
  let onnx: Uint8Array
  let line: string
  try {
    const { model, weights, statistics } = loadModel(bytes)
    onnx = exportOnnx(model, { weights, states: statistics })
    const { inputShape, outputShape } = model.declared
    line = `${to}: input [N, ${inputShape.join(', ')}]${model.spec.input.kind === 'tokens' ? ' of tokens' : ''}, output [N, ${outputShape.join(', ')}], ${model.params} parameters\n`
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new OperationError('refused', `${file}: ${cause.message}`, { cause })
  }
  await writeFile(to, onnx).catch((cause) => {
    throw new OperationError('refused', `cannot write ${to}: ${(cause as Error).message}`, { cause })
  })
  process.stdout.write(line)
}
