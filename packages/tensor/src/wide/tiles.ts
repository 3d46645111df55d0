/** The functions of assembly/wide.ts in the order that assembly/tiles.ts calls them in: 4 x 16 or 4 x 8 outputs, stored or added to what is there. */
const NAMES = [
  ...['storeFloats16', 'addFloats16', 'storeFloats8', 'addFloats8'],
  ...['storePairs16', 'addPairs16', 'storePairs8', 'addPairs8'],
] as const

/** (depth, a, b, c, ldc), with a second panel of B after the first where a tile has 16 columns. */
type Tile = (...places: readonly number[]) => void
type Tiles = Readonly<Record<string, Tile>>

/** What an instance of the kernels gives so that it can be given tiles. */
export interface Widened {
  readonly table: WebAssembly.Table
  widen(first: number): void
}

/** From here on this instance of the kernels, over `memory`, multiplies with the tiles of `module`. */
export function installTiles({ table, widen }: Widened, module: WebAssembly.Module, memory: WebAssembly.Memory): void {
  const tiles = tilesOf(module, memory)
  const first = table.grow(NAMES.length)
  for (const [i, name] of NAMES.entries()) table.set(first + i, tiles[name]!)
  widen(first)
}

function tilesOf(module: WebAssembly.Module, memory: WebAssembly.Memory): Tiles {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Tiles
}

/** Where operands lie, in bytes: four rows of A, two panels of B, an output with guards beside its lines. */
const [A, B, D, C, LDC] = [1024, 4096, 8192, 16_384, 128]
const DEPTHS = [1, 2, 7, 90]

/**
 * What is wrong with the tiles of a module, or `undefined`: each is held to the definition, computed number by number, on operands of all sizes of exponents with
 * zeros of both signs, subnormal numbers, infinities and NaN among them. A module that is compiled at once is the very code that runs later.
 */
export function wrongTile(module: WebAssembly.Module, memory: WebAssembly.Memory): string | undefined {
  const tiles = tilesOf(module, memory)
  const random = lehmer(20_261)
  for (const depth of DEPTHS) {
    for (const name of NAMES) {
      const place = (name.includes('Pairs') ? wrongPairs : wrongFloats)(memory.buffer, depth, name, tiles[name]!, random)
      if (place >= 0) return `${name} of depth ${depth}, place ${place}`
    }
  }
  return undefined
}

function call(tile: Tile, depth: number, columns: number): void {
  if (columns === 16) tile(depth, A, B, D, C, LDC)
  else tile(depth, A, B, C, LDC)
}

function wrongFloats(buffer: ArrayBuffer, depth: number, name: string, tile: Tile, random: () => number): number {
  const [a, b, d, c] = [A, B, D, C].map((at) => new Float32Array(buffer, at)) as [Float32Array, Float32Array, Float32Array, Float32Array]
  for (let i = 0; i < 4 * depth; i++) a[i] = unusual(random)
  for (const panel of [b, d]) for (let i = 0; i < 8 * depth; i++) panel[i] = unusual(random)
  const before = Float32Array.from({ length: LDC }, () => random() * 4 - 2)
  return firstWrong(tile, name, depth, c, before, (row, column) => {
    const panel = column < 8 ? b : d
    let sum = 0
    for (let k = 0; k < depth; k++) sum = Math.fround(sum + Math.fround(a[4 * k + row]! * panel[8 * k + (column % 8)]!))
    return sum
  })
}

function wrongPairs(buffer: ArrayBuffer, depth: number, name: string, tile: Tile, random: () => number): number {
  const [a, b, d] = [A, B, D].map((at) => new Int16Array(buffer, at)) as [Int16Array, Int16Array, Int16Array]
  for (let i = 0; i < 8 * depth; i++) a[i] = random() * 4096 - 2048
  for (const panel of [b, d]) for (let i = 0; i < 16 * depth; i++) panel[i] = random() * 4096 - 2048
  const before = Int32Array.from({ length: LDC }, () => random() * 0xffff_ffff)
  return firstWrong(tile, name, depth, new Int32Array(buffer, C), before, (row, column) => {
    const panel = column < 8 ? b : d
    let sum = 0
    for (let k = 0; k < 2 * depth; k++) sum += a[8 * (k >> 1) + 2 * row + (k & 1)]! * panel[16 * (k >> 1) + 2 * (column % 8) + (k & 1)]!
    return sum
  })
}

/** Lets a tile work on an output that holds `before`, and compares all of that with the sums, the guards beside its lines too: the first wrong place, or -1. */
function firstWrong<Numbers extends Float32Array | Int32Array>(
  tile: Tile,
  name: string,
  depth: number,
  output: Numbers,
  before: Numbers,
  sumAt: (row: number, column: number) => number,
): number {
  const columns = name.endsWith('16') ? 16 : 8
  const wanted = before.slice()
  output.set(before)
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < columns; column++) {
      const at = (row * LDC) / 4 + column
      wanted[at] = (name.startsWith('add') ? wanted[at]! : 0) + sumAt(row, column)
    }
  }
  call(tile, depth, columns)
  return wanted.findIndex((value, i) => !Object.is(output[i], value))
}

/**
 * Whether the tiles are as fast as they are there for. Where the processor has no 256-bit operations, nothing is joined, and the sums of sixteen columns do not fit the
 * registers: several times as slow as twice eight columns, however busy the machine.
 * @param leastMs the shortest time of a few tries
 */
export function isWorthIt(module: WebAssembly.Module, memory: WebAssembly.Memory, leastMs: (work: () => void) => number): boolean {
  const { storeFloats16, storeFloats8 } = tilesOf(module, memory) as Record<string, Tile>
  const depth = DEPTHS.at(-1)!
  const many = (work: () => void) =>
    leastMs(() => {
      for (let i = 0; i < 50; i++) work()
    })
  const twice = many(() => {
    call(storeFloats8!, depth, 8)
    call(storeFloats8!, depth, 8)
  })
  return many(() => call(storeFloats16!, depth, 16)) < 1.5 * twice
}

const word = new Uint32Array(1)
const float = new Float32Array(word.buffer)

/** Mostly numbers around 1; some of all exponents up to 2^32, subnormal ones too, and zeros; a few infinite or NaN, so few that most sums are numbers. */
function unusual(random: () => number): number {
  const kind = random()
  if (kind > 0.2) return random() * 2 - 1
  const sign = random() < 0.5 ? 0x8000_0000 : 0
  const exponent = kind < 0.001 ? 0xff : kind < 0.05 ? 0 : Math.floor(random() * 160)
  const fraction = kind < 0.025 ? 0 : Math.floor(random() * 0x80_0000)
  word[0] = sign + exponent * 0x80_0000 + fraction
  return float[0]!
}

/** Uniform in [0, 1): Park and Miller's generator. */
function lehmer(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 0x7fffffff
    return state / 0x7fffffff
  }
}
