import type { Attributes, DType, Graph, Profile, Role } from './graph.ts'

const PROFILES: Readonly<Record<Profile, number>> = { f32: 1, bf16x: 2, int8x: 3 }
const ROLES: Readonly<Record<Role, number>> = { input: 0, parameter: 1, state: 2, computed: 3 }
const DTYPES: Readonly<Record<DType, number>> = { f32: 0, i32: 1, u8: 2, i8: 3 }

/**
 * What a graph computes, as bytes to be hashed: equal for two graphs exactly if they have the same values and the same operations in the same
 * order. Names are left out, and so are places in memory and threads, which change no bit.
 *
 * u8 profile; u32 values, each u8 role, u8 dtype, u8 rank, u32 extents; u32 nodes, each u32 code (0 for a view), u8 inputs with u32 ids, u8 outputs with
 * u32 ids, u8 attributes in ascending order of their names, each u8 length and ASCII name, then a value: 0 and binary64, 1 and u8 truth, 2 and u8
 * length with ASCII, 3 and u8 count with binary64 each. Little-endian.
 */
export function graphBytes(graph: Graph): Uint8Array {
  const bytes: number[] = [PROFILES[graph.profile]]
  const u8 = (n: number) => {
    if (n > 255) throw new RangeError(`graph: expected at most 255 of a kind in one node, received ${n}`)
    bytes.push(n)
  }
  const u32 = (n: number) => bytes.push(n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24)
  const f64 = (n: number) => {
    scratch.setFloat64(0, n, true)
    for (let i = 0; i < 8; i++) bytes.push(scratch.getUint8(i))
  }
  const text = (s: string) => {
    u8(s.length)
    for (let i = 0; i < s.length; i++) bytes.push(s.charCodeAt(i) & 127)
  }
  const attributes = (given: Attributes) => {
    const entries = Object.entries(given)
      .filter(([, value]) => value !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    u8(entries.length)
    for (const [name, value] of entries) {
      text(name)
      if (typeof value === 'number') {
        bytes.push(0)
        f64(value)
      } else if (typeof value === 'boolean') {
        bytes.push(1, value ? 1 : 0)
      } else if (typeof value === 'string') {
        bytes.push(2)
        text(value)
      } else {
        bytes.push(3)
        u8(value.length)
        for (const n of value) f64(n)
      }
    }
  }

  u32(graph.values.length)
  for (const { role, dtype, shape } of graph.values) {
    bytes.push(ROLES[role], DTYPES[dtype])
    u8(shape.length)
    for (const extent of shape) u32(extent)
  }
  u32(graph.nodes.length)
  for (const node of graph.nodes) {
    u32(node.op.code)
    for (const ends of [node.inputs, node.outputs]) {
      u8(ends.length)
      for (const { id } of ends) u32(id)
    }
    attributes(node.attributes)
  }
  return Uint8Array.from(bytes)
}

const scratch = new DataView(new ArrayBuffer(8))
