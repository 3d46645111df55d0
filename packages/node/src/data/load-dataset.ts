import { answersOf, OperationError, type TaskDocument } from '@pouw/primitives'
import { syntheticData } from '@pouw/training'
import { dataFolders, findDataFile } from './find-file.ts'
import { readIdx } from './idx.ts'

export interface Dataset {
  /** uint8 `[samples, features]`. */
  readonly features: Uint8Array
  /** uint8 `[samples, answers]`. */
  readonly labels: Uint8Array
}

/**
 * The samples of a task in the order of its files. Files of type `idx-u8` come in pairs of features and labels, in the order the
 * document names them, and are joined: MNIST's four files give its 70,000 samples.
 *
 * @throws OperationError if a file is missing, has another hash, or does not fit what the document says of it
 */
export async function loadDataset(document: TaskDocument, options: { readonly dataDir?: string } = {}): Promise<Dataset> {
  const { dataset } = document.ml
  if (dataset.format === 'synthetic') return syntheticData(document)

  const folders = dataFolders(options.dataDir)
  const features = new Uint8Array(dataset.samples * dataset.features)
  const answers = answersOf(document)
  const labels = new Uint8Array(dataset.samples * answers)
  let count = 0
  if (dataset.files.length % 2 !== 0) throw misfit(`expected pairs of features and labels, received ${dataset.files.length} files`)
  for (let i = 0; i < dataset.files.length; i += 2) {
    const images = readIdx(await findDataFile(dataset.files[i]!, folders))
    const wanted = readIdx(await findDataFile(dataset.files[i + 1]!, folders))
    if (!images || !wanted) throw misfit(`${dataset.files[images ? i + 1 : i]!.name} is not an IDX file of bytes`)
    const samples = images.shape[0]!
    if (wanted.shape[0] !== samples || wanted.values.length !== samples * answers || images.values.length !== samples * dataset.features) {
      throw misfit(`${dataset.files[i]!.name} has shape ${images.shape.join(' x ')}, its labels ${wanted.shape.join(' x ')}`)
    }
    if (count + samples > dataset.samples) throw misfit(`the files hold more than ${dataset.samples} samples`)
    features.set(images.values, count * dataset.features)
    labels.set(wanted.values, count * answers)
    count += samples
  }
  if (count !== dataset.samples) throw misfit(`the files hold ${count} samples, the document says ${dataset.samples}`)
  const stray = labels.find((label) => label >= dataset.classes)
  if (stray !== undefined) throw misfit(`label ${stray} is not one of ${dataset.classes} classes`)
  const { vocabulary = 256 } = document.ml.model
  const strange = features.find((token) => token >= vocabulary)
  if (strange !== undefined) throw misfit(`token ${strange} is not below the vocabulary of ${vocabulary}`)
  return { features, labels }

  function misfit(reason: string): OperationError {
    return new OperationError('refused', `data set ${dataset.name}: ${reason}`)
  }
}
