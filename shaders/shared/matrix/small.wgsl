// A workgroup's tile of tokens and outputs, and a subgroup's part of it, in matrices of 16 by 16.
const TOKENS: u32 = 64u;
const OUTPUTS: u32 = 64u;
const TALL: u32 = 2u;
const WIDE: u32 = 2u;
const INVOCATIONS: u32 = 128u;
