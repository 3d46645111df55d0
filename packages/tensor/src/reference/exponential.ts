/** exp and log from + - * / and bits only; coefficients and error bounds: README, "exp and log". */
const fl = Math.fround
const word = new Int32Array(1)
const float = new Float32Array(word.buffer)

const log2e = fromBits(0x3fb8aa3b)
const ln2High = 0.693359375
const ln2Low = fromBits(0xb95e8083)
const magic = 12582912
const [e2, e3, e4, e5, e6] = [0x3f000000, 0x3e2aaa6e, 0x3d2aaa8d, 0x3c0905b7, 0x3ab68885].map(fromBits) as [
  number,
  number,
  number,
  number,
  number,
]
const [l0, l1, l2, l3] = [0x3f2aaaab, 0x3eccccf6, 0x3e922e14, 0x3e6eea6d].map(fromBits) as [number, number, number, number]

/** e to the x; NaN stays NaN, below -104 the result is +0, above 88.72 it is infinity. */
export function exp(value: number): number {
  if (Number.isNaN(value)) return value
  const x = value < -104 ? -104 : Math.min(value, 89)
  const n = fl(fl(fl(x * log2e) + magic) - magic)
  const r = fl(fl(x - fl(n * ln2High)) - fl(n * ln2Low))
  let q = fl(fl(e6 * r) + e5)
  q = fl(fl(q * r) + e4)
  q = fl(fl(q * r) + e3)
  q = fl(fl(q * r) + e2)
  const y = fl(fl(fl(q * fl(r * r)) + r) + 1)
  const half = n >> 1
  return fl(fl(y * powerOfTwo(half)) * powerOfTwo(n - half))
}

/** Natural logarithm: -infinity at 0, NaN below. */
export function log(value: number): number {
  if (!(value > 0)) return value === 0 ? Number.NEGATIVE_INFINITY : Number.NaN
  if (value === Number.POSITIVE_INFINITY) return value
  float[0] = value
  let e = 0
  if (word[0]! < 0x00800000) {
    float[0] = value * 16777216
    e = -24
  }
  const bits = word[0]! - 0x3f3504f3
  e += bits >> 23
  const f = fl(fromBits((bits & 0x007fffff) + 0x3f3504f3) - 1)
  const s = fl(f / fl(2 + f))
  const z = fl(s * s)
  const r = fl(z * fl(l0 + fl(z * fl(l1 + fl(z * fl(l2 + fl(z * l3)))))))
  const h = fl(fl(0.5 * f) * f)
  return fl(fl(e * ln2High) - fl(fl(h - fl(fl(s * fl(h + r)) + fl(e * ln2Low))) - f))
}

function powerOfTwo(exponent: number): number {
  return fromBits((exponent + 127) << 23)
}

function fromBits(bits: number): number {
  word[0] = bits
  return float[0]!
}
