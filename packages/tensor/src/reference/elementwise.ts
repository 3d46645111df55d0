/** y[rows,columns] += bias[columns] */
export function addBias(y: Float32Array, bias: Float32Array, rows: number, columns: number): void {
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) y[i * columns + j] = Math.fround(y[i * columns + j]! + bias[j]!)
}

/** x < 0 becomes +0; -0 and NaN pass. */
export function relu(x: Float32Array): void {
  for (let i = 0; i < x.length; i++) if (x[i]! < 0) x[i] = 0
}

/** d becomes +0 unless y > 0. */
export function reluBackward(d: Float32Array, y: Float32Array): void {
  for (let i = 0; i < d.length; i++) if (!(y[i]! > 0)) d[i] = 0
}

/** y += a x, product and sum rounded apart. */
export function axpy(y: Float32Array, x: Float32Array, a: number): void {
  for (let i = 0; i < y.length; i++) y[i] = Math.fround(y[i]! + Math.fround(a * x[i]!))
}

/** y = x * scale, for u8 or f32 x; x may be y. */
export function scaled(x: Uint8Array | Float32Array, y: Float32Array, scale: number): void {
  for (let i = 0; i < y.length; i++) y[i] = Math.fround(x[i]! * scale)
}

export function allFinite(x: Float32Array): boolean {
  return x.every(Number.isFinite)
}
