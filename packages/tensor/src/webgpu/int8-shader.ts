/** Outputs of a workgroup, along either side. */
export const tile = 16

/**
 * `int8Product` (docs/arithmetic/int8x.md) of one instruction: parameters are its words from `kind` on, with addresses counted from the start of each
 * buffer. A workgroup makes 16 x 16 outputs and walks along k in steps of 16, whose numbers its threads fetch once for all. Sums are of whole numbers, so
 * nothing that a compiler may do to their order changes them.
 */
export const int8Shader = /* wgsl */ `
struct Grid {
  kind: u32, m: u32, n: u32, k: u32, lda: u32, ldb: u32, ldc: u32, outer: u32, inner: u32,
  aOuter: u32, aInner: u32, bOuter: u32, bInner: u32, cOuter: u32, cInner: u32, sum: u32, a: u32, b: u32,
}
@group(0) @binding(0) var<storage, read> grid: Grid;
@group(0) @binding(1) var<storage, read> left: array<u32>;
@group(0) @binding(2) var<storage, read> right: array<u32>;
@group(0) @binding(3) var<storage, read_write> result: array<i32>;

var<workgroup> tileA: array<i32, 256>;
var<workgroup> tileB: array<i32, 256>;

fn leftAt(index: u32) -> i32 {
  return i32(left[index >> 2u] << (24u - 8u * (index & 3u))) >> 24u;
}
fn rightAt(index: u32) -> i32 {
  return i32(right[index >> 2u] << (24u - 8u * (index & 3u))) >> 24u;
}

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = group.y * 16u + local.y;
  let column = group.x * 16u + local.x;
  let place = local.y * 16u + local.x;
  let inner = group.z % grid.inner;
  let firstOuter = select(group.z / grid.inner, 0u, grid.sum == 1u);
  let endOuter = select(firstOuter + 1u, grid.outer, grid.sum == 1u);
  var total = 0;
  for (var o = firstOuter; o < endOuter; o++) {
    let a = grid.a + o * grid.aOuter + inner * grid.aInner;
    let b = grid.b + o * grid.bOuter + inner * grid.bInner;
    for (var p0 = 0u; p0 < grid.k; p0 += 16u) {
      let pa = p0 + local.x;
      let pb = p0 + local.y;
      tileA[place] = 0;
      tileB[place] = 0;
      if (row < grid.m && pa < grid.k) {
        tileA[place] = leftAt(a + select(row * grid.lda + pa, pa * grid.lda + row, grid.kind == 2u));
      }
      if (column < grid.n && pb < grid.k) {
        tileB[place] = rightAt(b + select(pb * grid.ldb + column, column * grid.ldb + pb, grid.kind == 0u));
      }
      workgroupBarrier();
      for (var p = 0u; p < 16u; p++) {
        total += tileA[local.y * 16u + p] * tileB[p * 16u + local.x];
      }
      workgroupBarrier();
    }
  }
  if (row < grid.m && column < grid.n) {
    let c = select(firstOuter * grid.cOuter, 0u, grid.sum == 1u) + inner * grid.cInner;
    result[c + row * grid.ldc + column] = total;
  }
}
`
