// What error feedback and coordinate descent keep of a row on its way to blocks of a format: its errors, 256 numbers to work
// on, and the numbers that the blocks store, apart, as in `Apart` of src/quant/parts.rs. Rows are `params.stride` numbers
// apart; the including shader declares Params with it and with `columns`. Laid out in src/gpu/feedback/record.rs.

// Weights and bytes of a block, and weights of a sub-block.
const BLOCK: u32 = {block}u;
const BYTES: u32 = {bytes}u;
const SUB: u32 = {sub}u;
const SUBS: u32 = BLOCK / SUB;
// Whether blocks can be taken apart; what they store then, and between which bounds.
const HAS_PARTS: bool = {has_parts};
const HAS_SCALES: bool = {has_scales};
const HAS_MINS: bool = {has_mins};
const HAS_DMIN: bool = {has_dmin};
const SCALE_LOW: i32 = {scale_low};
const SCALE_HIGH: i32 = {scale_high};
const SCALE_BIAS: i32 = {scale_bias};
const MIN_LOW: i32 = {min_low};
const MIN_HIGH: i32 = {min_high};
const MIN_BIAS: i32 = {min_bias};
const LEVEL_LOW: i32 = {level_low};
const LEVEL_HIGH: i32 = {level_high};
const LEVEL_BIAS: i32 = {level_bias};

// The most columns that are worked on at a time.
const MOST: u32 = 256u;

// Where the parts of a record begin; the errors come first.
fn work_first() -> u32 {
    return params.columns;
}

// How many blocks of columns have changed so far.
fn moves_first() -> u32 {
    return work_first() + MOST;
}

fn levels_first() -> u32 {
    return moves_first() + 4u;
}

fn scales_first() -> u32 {
    return levels_first() + params.columns;
}

fn mins_first() -> u32 {
    return scales_first() + params.columns / SUB;
}

fn d_first() -> u32 {
    return mins_first() + params.columns / SUB;
}

fn dmin_first() -> u32 {
    return d_first() + params.columns / BLOCK;
}
