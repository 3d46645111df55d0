/** Normative: one partial sum covers 256 consecutive k (README, "Matrix product"). */
const chunk = 256

/** y[m,n] = x[m,k] w[n,k]ᵀ */
export function gemmNT(m: number, n: number, k: number, x: Float32Array, w: Float32Array, y: Float32Array): void {
  gemm(m, n, k, x, k, 1, w, 1, k, y)
}

/** dx[m,k] = dy[m,n] w[n,k] */
export function gemmNN(m: number, n: number, k: number, dy: Float32Array, w: Float32Array, dx: Float32Array): void {
  gemm(m, k, n, dy, n, 1, w, k, 1, dx)
}

/** dw[n,k] = dy[m,n]ᵀ x[m,k] */
export function gemmTN(m: number, n: number, k: number, dy: Float32Array, x: Float32Array, dw: Float32Array): void {
  gemm(n, k, m, dy, 1, n, x, k, 1, dw)
}

/** c[m,n] = sum over p of a[i,p] b[p,j]; each operand has a stride for its row and its column. */
export function gemm(
  m: number,
  n: number,
  k: number,
  a: Float32Array,
  aRow: number,
  aColumn: number,
  b: Float32Array,
  bRow: number,
  bColumn: number,
  c: Float32Array,
  cRow = n,
): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let total = 0
      for (let p0 = 0; p0 < k; p0 += chunk) {
        let sum = 0
        const end = Math.min(p0 + chunk, k)
        for (let p = p0; p < end; p++) sum = Math.fround(sum + Math.fround(a[i * aRow + p * aColumn]! * b[p * bRow + j * bColumn]!))
        total = p0 === 0 ? sum : Math.fround(total + sum)
      }
      c[i * cRow + j] = total
    }
  }
}
