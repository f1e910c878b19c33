// Half the value of a UE4M3 byte, for the levels of NVFP4 are doubled; see src/quant/nvfp4.rs.
fn half_scale(byte: u32) -> f32 {
    let exponent = (byte >> 3u) & 15u;
    let mantissa = byte & 7u;
    let normal = bitcast<f32>(((exponent + 119u) << 23u) | (mantissa << 20u));
    let value = select(normal, f32(mantissa) * (1.0 / 1024.0), exponent == 0u);
    return select(value, 0.0, byte == 0x7fu);
}
