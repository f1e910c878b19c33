// A row times a matrix of few rows, of which a workgroup takes two, so that there are enough workgroups to keep a large GPU
// busy. Twin: `linear` in src/cpu/forward/linear.rs.

const LANES: u32 = 128u;
const BANDS: u32 = 1u;

//#include shared/multiply_row.wgsl
