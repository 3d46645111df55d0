/** Classes, one a row. */
export type Labels = Uint8Array | Int32Array

/**
 * How many columns a table of scores has, row by row.
 *
 * @throws RangeError for no rows, scores that are no whole rows of 2 classes or more, or a label that is no class
 */
export function classesOf(name: string, scores: Float32Array, labels: Labels): number {
  const rows = labels.length
  if (rows === 0) throw new RangeError(`${name}: expected at least one row, received none`)
  const classes = scores.length / rows
  if (!Number.isInteger(classes) || classes < 2)
    throw new RangeError(`${name}: expected scores [${rows}, 2 classes or more], received ${scores.length} numbers`)
  expectLabels(name, labels, classes)
  return classes
}

/** @throws RangeError for a label that is not below `classes` */
export function expectLabels(name: string, labels: Labels, classes: number): void {
  for (const [row, label] of labels.entries())
    if (label < 0 || label >= classes)
      throw new RangeError(`${name}: expected labels in 0..${classes - 1}, received ${label} in row ${row}`)
}
