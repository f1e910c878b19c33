//! The Walsh-Hadamard rotation that llama.cpp does to rows before it quantizes them, so that no number of a block stands out.

/// The least rotation, and of values the only one.
const LEAST: usize = 64;

/// Numbers of a key head that rotate together: the largest power of two that divides it, at least 64; as
/// `llama_kv_cache::build_input_k_rot`.
pub fn rotation_of_keys(head: usize) -> Option<usize> {
    head.is_multiple_of(LEAST).then(|| 1 << head.trailing_zeros())
}

/// The same of a value head: always 64, where it is a multiple of that; as `llama_kv_cache::build_input_v_rot`.
pub fn rotation_of_values(head: usize) -> Option<usize> {
    head.is_multiple_of(LEAST).then_some(LEAST)
}

/// Rotates groups of `group` numbers, a power of two. Doing it twice changes nothing but the last digits. Step for step
/// shaders/rotate.wgsl.
pub fn rotate(numbers: &mut [f32], group: usize) {
    let scale = 1.0 / (group as f32).sqrt();
    for group in numbers.chunks_exact_mut(group) {
        let mut half = 1;
        while half < group.len() {
            for pairs in group.chunks_exact_mut(2 * half) {
                let (low, high) = pairs.split_at_mut(half);
                for (a, b) in low.iter_mut().zip(high) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
            half *= 2;
        }
        group.iter_mut().for_each(|x| *x *= scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_its_own_inverse_and_spreads_one_number_over_all() {
        let mut row = vec![0.0f32; 128];
        row[5] = 8.0;
        rotate(&mut row, 64);
        assert!(row[..64].iter().all(|x| x.abs() == 1.0) && row[64..].iter().all(|x| *x == 0.0));
        rotate(&mut row, 64);
        assert!(row.iter().enumerate().all(|(i, x)| *x == if i == 5 { 8.0 } else { 0.0 }));
    }

    #[test]
    fn groups_are_those_of_llama_cpp() {
        assert_eq!(
            [64, 80, 96, 128, 192, 256].map(rotation_of_keys),
            [Some(64), None, None, Some(128), Some(64), Some(256)]
        );
        assert_eq!([64, 80, 128, 256].map(rotation_of_values), [Some(64), None, Some(64), Some(64)]);
    }
}
