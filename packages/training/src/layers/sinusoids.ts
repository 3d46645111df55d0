/**
 * The table of Vaswani et al. 2017, f32 `[time, width]`: row p holds sin(p w) at even columns 2i and cos(p w) at odd ones, w = 10000^(-2i / width). In binary64 of
 * products and sums only, rounded once (docs/arithmetic/initializers.md).
 */
export function sinusoids(time: number, width: number): Float32Array {
  const table = new Float32Array(time * width)
  for (let pair = 0; 2 * pair < width; pair++) {
    const frequency = exponential((-LOG_10000 * 2 * pair) / width)
    for (let p = 0; p < time; p++) {
      table[p * width + 2 * pair] = sine(p * frequency)
      if (2 * pair + 1 < width) table[p * width + 2 * pair + 1] = sine(p * frequency + Math.PI / 2)
    }
  }
  return table
}

const LOG_10000 = 9.210340371976184

/** e^x for -10 < x <= 0: the series of e^(x / 1024) up to the tenth power, squared ten times. */
function exponential(x: number): number {
  const part = x / 1024
  let sum = 1
  for (let n = 10; n >= 1; n--) sum = 1 + (part / n) * sum
  for (let i = 0; i < 10; i++) sum *= sum
  return sum
}

/** sin x: less the nearest multiple of 2 pi, then the series up to the 27th power. */
function sine(x: number): number {
  const turns = Math.floor(x / (2 * Math.PI) + 0.5)
  const rest = x - turns * 2 * Math.PI
  const square = rest * rest
  let sum = 1
  for (let n = 27; n >= 3; n -= 2) sum = 1 - (square / (n * (n - 1))) * sum
  return rest * sum
}
