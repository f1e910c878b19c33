// A few rows times a matrix, of which a workgroup takes eight rows. Twin: `linear` in src/cpu/forward/linear.rs.

const LANES: u32 = 32u;
const BANDS: u32 = 4u;

//#include shared/multiply_row.wgsl
