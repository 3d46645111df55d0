/**
 * A matrix product of bf16 numbers kept as binary32, as docs/arithmetic/products.md orders it: chunks of 256 terms from +0, ascending, chunk sums added ascending. Every product of two
 * operands is exact and nothing is subnormal (docs/arithmetic/bf16x.md), so a device may fuse and flush; that it neither reorders nor rounds elsewhere is what the self-test is for.
 */
export const bf16Shader = /* wgsl */ `
struct Grid {
  kind: u32, m: u32, n: u32, k: u32, lda: u32, ldb: u32, ldc: u32, outer: u32, inner: u32,
  aOuter: u32, aInner: u32, bOuter: u32, bInner: u32, cOuter: u32, cInner: u32, sum: u32, a: u32, b: u32,
}
@group(0) @binding(0) var<storage, read> grid: Grid;
@group(0) @binding(1) var<storage, read> left: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;

var<workgroup> tileA: array<f32, 256>;
var<workgroup> tileB: array<f32, 256>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = group.y * 16u + local.y;
  let column = group.x * 16u + local.x;
  let place = local.y * 16u + local.x;
  let inner = group.z % grid.inner;
  let outer = group.z / grid.inner;
  let a = grid.a + outer * grid.aOuter + inner * grid.aInner;
  let b = grid.b + outer * grid.bOuter + inner * grid.bInner;
  var total = 0.0;
  var chunk = 0.0;
  for (var p0 = 0u; p0 < grid.k; p0 += 16u) {
    let pa = p0 + local.x;
    let pb = p0 + local.y;
    tileA[place] = 0.0;
    tileB[place] = 0.0;
    if (row < grid.m && pa < grid.k) {
      tileA[place] = left[a + select(row * grid.lda + pa, pa * grid.lda + row, grid.kind == 2u)];
    }
    if (column < grid.n && pb < grid.k) {
      tileB[place] = right[b + select(pb * grid.ldb + column, column * grid.ldb + pb, grid.kind == 0u)];
    }
    workgroupBarrier();
    for (var p = 0u; p < 16u; p++) {
      chunk += tileA[local.y * 16u + p] * tileB[p * 16u + local.x];
    }
    workgroupBarrier();
    if (p0 % 256u == 240u || p0 + 16u >= grid.k) {
      total += chunk;
      chunk = 0.0;
    }
  }
  if (row < grid.m && column < grid.n) {
    result[outer * grid.cOuter + inner * grid.cInner + row * grid.ldc + column] = total;
  }
}
`
