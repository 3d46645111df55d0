import { type Shape, sizeOf, type Value } from '../graph/graph.ts'

/** A value seen as a matrix: its last axis is the columns, all axes before it are the rows. */
export function lastAxis(shape: Shape): { rows: number; columns: number } {
  const columns = shape.at(-1) ?? 1
  return { rows: sizeOf(shape) / columns, columns }
}

/** A value seen as a matrix: its first axis is the rows, all axes after it are the columns. */
export function firstAxis(shape: Shape): { rows: number; columns: number } {
  const rows = shape[0] ?? 1
  return { rows, columns: sizeOf(shape) / rows }
}

/** @throws RangeError "expected ..., received ..." */
export function expectDType(what: string, value: Value, dtype: Value['dtype']): void {
  if (value.dtype !== dtype) throw new RangeError(`${what}: expected dtype ${dtype}, received ${value.dtype}`)
}

/** One label for each row of the logits. @throws RangeError otherwise */
export function expectLabels(what: string, logits: Value, labels: Value): void {
  expectDType(`${what}: logits`, logits, 'f32')
  expectDType(`${what}: labels`, labels, 'i32')
  const { rows } = lastAxis(logits.shape)
  if (logits.shape.length < 2) throw new RangeError(`${what}: expected logits [rows, classes], received [${logits.shape}]`)
  if (sizeOf(labels.shape) !== rows)
    throw new RangeError(`${what}: expected one label for each of ${rows} rows of logits [${logits.shape}], received [${labels.shape}]`)
}
