// The points of a grid; see `Lattice::table` in src/quant/lattice.rs.
@group(0) @binding(4) var<storage, read> table: array<u32>;

// The value of weight i of a point.
fn point_value(point: u32, i: u32) -> f32 {
    let number = point & 0xffffu;
    let levels = table[number / 2u] >> (16u * (number & 1u));
    return value(point >> 16u, (levels >> (BITS * i)) & ((1u << BITS) - 1u));
}
