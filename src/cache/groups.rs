//! Groups of numbers in two or three bits with a scale and a minimum, as KIVI has them (Liu and others 2024): keys channel by
//! channel over tokens, values token by token over channels.

use half::f16;

/// Numbers of a group.
pub const GROUP: usize = 32;

/// Bits of a number in a group whose codes have so many: scale and minimum are halves.
pub fn group_bits(bits: u32) -> f64 {
    f64::from(bits) + 32.0 / GROUP as f64
}

/// Rounds numbers, from the first on every `step`-th, `count` of them.
pub fn round_group(numbers: &mut [f32], step: usize, count: usize, bits: u32) {
    let own = || (0..count).map(|i| i * step);
    let (least, most) =
        own().fold((f32::MAX, f32::MIN), |(least, most), i| (least.min(numbers[i]), most.max(numbers[i])));
    let top = ((1u32 << bits) - 1) as f32;
    let half = |x: f32| f16::from_f32(x).to_f32();
    let (scale, least) = (half((most - least) / top), half(least));
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    for i in own() {
        numbers[i] = ((numbers[i] - least) * inverse).round_ties_even().clamp(0.0, top) * scale + least;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_stay_and_the_rest_goes_to_the_nearest_of_four() {
        let mut numbers = [0.0, 9.0, 1.0, 9.0, 2.0, 9.0, 0.4, 9.0, 3.0, 9.0, 1.6, 9.0];
        round_group(&mut numbers, 2, 6, 2);
        assert_eq!(numbers, [0.0, 9.0, 1.0, 9.0, 2.0, 9.0, 0.0, 9.0, 3.0, 9.0, 2.0, 9.0]);
        let mut same = [0.5f32; 4];
        round_group(&mut same, 1, 4, 2);
        assert_eq!(same, [0.5; 4]);
    }
}
