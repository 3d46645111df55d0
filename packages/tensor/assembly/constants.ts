// Constants of the vector functions, kept in memory: V8 makes a splat of a constant anew at each use, from three instructions, while one of a
// stored number is one load.

/** Four copies of the binary32 number whose bits are stored at this static address. */
// @ts-ignore: decorator
@inline
export function kept(at: usize): v128 {
  return v128.load32_splat(at)
}

/** 1 */
export const ONE: usize = memory.data<u32>([0x3f800000])
