//! FP8 with four bits of exponent and three of mantissa, of both signs, without infinities (E4M3; Micikevicius and others 2022),
//! as runtimes keep keys and values in where no scale was calibrated.

/// The largest number.
const MOST: f32 = 448.0;

/// The nearest number of the format, ties to even; what is larger becomes the largest. Step for step `fp8` in
/// shaders/keep.wgsl.
pub(super) fn round(x: f32) -> f32 {
    let bits = x.to_bits();
    let sign = bits & 0x8000_0000;
    let magnitude = bits & 0x7fff_ffff;
    // Below 2⁻⁶ the unit is 2⁻⁹, that of floats in 2¹⁴..2¹⁵: adding 2¹⁴ rounds to it.
    if magnitude < 121 << 23 {
        let units = (f32::from_bits(magnitude) + 16384.0).to_bits() - 16384f32.to_bits();
        return f32::from_bits((units as f32 * (1.0 / 512.0)).to_bits() | sign);
    }
    let rounded = magnitude.wrapping_add(0x7_ffff + (magnitude >> 20 & 1)) & !0xf_ffff;
    f32::from_bits(rounded.min(MOST.to_bits()) | sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_format_stays_and_all_others_go_to_the_nearest() {
        let mut numbers: Vec<f32> = (0..127)
            .map(|code: u32| match code >> 3 {
                0 => code as f32 / 512.0,
                exponent => (1.0 + (code & 7) as f32 / 8.0) * 2f32.powi(exponent as i32 - 7),
            })
            .collect();
        assert_eq!(numbers.last(), Some(&MOST));
        assert!(numbers.iter().all(|x| round(*x) == *x && round(-x) == -x));
        numbers.push(f32::INFINITY);
        for step in 0..40_000 {
            let x = step as f32 * 0.0123;
            let nearest = numbers.iter().copied().min_by(|a, b| (a - x).abs().total_cmp(&(b - x).abs())).unwrap();
            assert!((round(x) - x).abs() <= (nearest - x).abs(), "{x} became {}, not {nearest}", round(x));
        }
        assert_eq!(round(1e9), MOST);
        assert_eq!(round(1.0625), 1.0, "ties go to the even mantissa");
        assert_eq!(round(1.1875), 1.25, "ties go to the even mantissa");
    }
}
