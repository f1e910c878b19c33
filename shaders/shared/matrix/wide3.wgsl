// A workgroup's tile of tokens and outputs, and a subgroup's part of it, in matrices of 16 by 16.
const TOKENS: u32 = 128u;
const OUTPUTS: u32 = 256u;
const TALL: u32 = 4u;
const WIDE: u32 = 4u;
const INVOCATIONS: u32 = 256u;
// Fours of numbers that are staged at a time, and how many of such stages there is room for.
const STEP: u32 = 4u;
const BUFFERS: u32 = 1u;
