// The ranges that Q4_1, Q5_1, Q4_K and Q5_K try; see shared/affine.wgsl.
const STEPS: u32 = 8u;
// One constant, for compilers may regroup a sum of two and a variable.
const FIRST: f32 = TOP - 0.875f;
const STRETCH: f32 = 0.25;
const SHIFTS: u32 = 2u;
const SHIFT: f32 = 0.36;
