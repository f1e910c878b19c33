//! Merging of tokens whose keys are alike: half as many are left, and each counts for those it stands for.

/// Tokens among which neighbours are merged.
pub const PAGE: usize = 32;

/// Which entries of a page stay, and into which each other goes: pairs (gone, stays), as many as half of the page. Keys that
/// point the same way are merged first; a neighbour that went already is passed over.
pub fn merge_page(keys: &[f32], width: usize) -> Vec<(usize, usize)> {
    let mut rows: Vec<Vec<f32>> = keys.chunks_exact(width).map(<[f32]>::to_vec).collect();
    let mut left: Vec<usize> = (0..rows.len()).collect();
    let mut counts = vec![1.0f32; rows.len()];
    let mut pairs = Vec::new();
    for _ in 0..rows.len() / 2 {
        let alike = |pair: &[usize]| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let (a, b) = (&rows[pair[0]], &rows[pair[1]]);
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f32::MIN_POSITIVE)
        };
        let best = left.windows(2).map(alike).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((at, _)) = best else { break };
        let (stays, gone) = (left[at], left.remove(at + 1));
        let all = counts[stays] + counts[gone];
        let other = std::mem::take(&mut rows[gone]);
        let mixed = |(x, y): (&mut f32, &f32)| *x = (*x * counts[stays] + y * counts[gone]) / all;
        rows[stays].iter_mut().zip(&other).for_each(mixed);
        counts[stays] = all;
        pairs.push((gone, stays));
    }
    pairs
}

#[cfg(test)]
mod tests {
    #[test]
    fn those_that_are_alike_go_first() {
        let keys = [1.0, 0.0, 0.9, 0.1, -1.0, 0.0, 0.0, 1.0];
        assert_eq!(super::merge_page(&keys, 2), [(1, 0), (3, 2)]);
    }
}
