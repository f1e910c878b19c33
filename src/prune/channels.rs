//! Columns of a matrix that go, and what the others make of it.
//!
//! Of a matrix W with inputs x, H is the mean of x·xᵀ. Where the columns S go and the columns K stay, those that make the outputs
//! nearest to what they were are W_K + W_S · H_SK · H_KK⁻¹. A column's loss by itself, once all others do what they can, is
//! |w|² / [H⁻¹]ⱼⱼ (B. Hassibi and D. Stork, "Optimal brain surgeon").

use super::Stopped;
use crate::feedback;

/// What is added to H's diagonal, in units of its mean.
const DAMPING: f64 = 0.01;

/// Columns go in so many steps: after each, what is left is looked at anew.
const STEPS: usize = 4;

/// The columns that stay, as they are after they made good what they can. None where it was stopped.
pub fn without(weights: &[f32], gram: &[f32], kept: &[usize], stop: Stopped<'_>) -> Option<Vec<f32>> {
    let columns = gram.len().isqrt();
    let is_kept = |j: &usize| kept.binary_search(j).is_ok();
    let gone: Vec<usize> = (0..columns).filter(|j| !is_kept(j)).collect();
    let rows = weights.len() / columns;
    // W_S · H_SK.
    let mut cross = vec![0.0f32; rows * kept.len()];
    for (row, cross) in weights.chunks_exact(columns).zip(cross.chunks_exact_mut(kept.len())) {
        for s in gone.iter().filter(|s| row[**s] != 0.0) {
            let gram = &gram[s * columns..][..columns];
            cross.iter_mut().zip(kept).for_each(|(cross, k)| *cross += row[*s] * gram[*k]);
        }
    }
    let mut found = feedback::shift(&cross, &part(gram, columns, kept), kept.len(), DAMPING, stop)?;
    for (row, found) in weights.chunks_exact(columns).zip(found.chunks_exact_mut(kept.len())) {
        found.iter_mut().zip(kept).for_each(|(found, k)| *found += row[*k]);
    }
    Some(found)
}

/// Which columns stay when `count` go, those that are missed least. None where it was stopped.
pub fn choose_channels(weights: &[f32], gram: &[f32], count: usize, stop: Stopped<'_>) -> Option<Vec<usize>> {
    let columns = gram.len().isqrt();
    let mut kept: Vec<usize> = (0..columns).collect();
    let mut current = weights.to_vec();
    for step in 0..STEPS {
        let goes = count * (step + 1) / STEPS - (columns - kept.len());
        if goes == 0 {
            continue;
        }
        let inverse = inverse_diagonal(&part(gram, columns, &kept), kept.len(), stop)?;
        let square =
            |j: usize| current.iter().skip(j).step_by(kept.len()).map(|w| f64::from(*w) * f64::from(*w)).sum::<f64>();
        let mut losses: Vec<(f64, usize)> =
            (0..kept.len()).map(|j| (square(j) / f64::from(inverse[j]).max(f64::MIN_POSITIVE), kept[j])).collect();
        losses.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        kept = losses[goes..].iter().map(|(_, column)| *column).collect();
        kept.sort_unstable();
        current = without(weights, gram, &kept, stop)?;
    }
    Some(kept)
}

/// Which groups of neighbouring columns stay when `count` of `groups` go, one by one. None where it was stopped.
pub fn choose_groups(
    weights: &[f32],
    gram: &[f32],
    groups: usize,
    count: usize,
    stop: Stopped<'_>,
) -> Option<Vec<usize>> {
    let columns = gram.len().isqrt();
    let width = columns / groups;
    let mut kept: Vec<usize> = (0..groups).collect();
    for _ in 0..count {
        let mut best: Option<(f64, Vec<usize>)> = None;
        for gone in &kept {
            let rest: Vec<usize> = kept.iter().copied().filter(|group| group != gone).collect();
            let places = columns_of(&rest, width);
            let found = without(weights, gram, &places, stop)?;
            let mut error = weights.to_vec();
            for (error, found) in error.chunks_exact_mut(columns).zip(found.chunks_exact(places.len())) {
                places.iter().zip(found).for_each(|(place, w)| error[*place] -= w);
            }
            let loss = feedback::quadratic(&error, gram, columns);
            if best.as_ref().is_none_or(|(least, _)| loss < *least) {
                best = Some((loss, rest));
            }
        }
        kept = best?.1;
    }
    Some(kept)
}

/// The columns of groups of so many neighbours.
pub fn columns_of(groups: &[usize], width: usize) -> Vec<usize> {
    groups.iter().flat_map(|group| group * width..(group + 1) * width).collect()
}

/// Some rows and the same columns of a square matrix.
fn part(gram: &[f32], columns: usize, kept: &[usize]) -> Vec<f32> {
    kept.iter().flat_map(|i| kept.iter().map(move |j| gram[i * columns + j])).collect()
}

fn inverse_diagonal(gram: &[f32], columns: usize, stop: Stopped<'_>) -> Option<Vec<f32>> {
    let one: Vec<f32> = (0..gram.len()).map(|n| f32::from(u8::from(n % (columns + 1) == 0))).collect();
    let inverse = feedback::shift(&one, gram, columns, DAMPING, stop)?;
    Some((0..columns).map(|j| inverse[j * (columns + 1)]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of four columns, the last is the sum of the first two, so it can go and nothing is lost.
    #[test]
    fn a_column_that_follows_from_others_goes_first() {
        let x = |n: usize, j: usize| (((n * 7 + j * 5 + n * n) % 13) as f32) / 6.0 - 1.0;
        let row = |n: usize| [x(n, 0), x(n, 1), x(n, 2), x(n, 0) + x(n, 1)];
        let mean = |a: usize, b: usize| (0..200).map(|n| row(n)[a] * row(n)[b]).sum::<f32>() / 200.0;
        let gram: Vec<f32> = (0..16).map(|n| mean(n / 4, n % 4)).collect();
        let weights = [1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 2.0, 1.0];
        let kept = choose_channels(&weights, &gram, 1, &|| false).unwrap();
        assert!(!kept.contains(&0) || !kept.contains(&1) || !kept.contains(&3), "{kept:?}");
        let found = without(&weights, &gram, &[0, 1, 2], &|| false).unwrap();
        let wanted = [5.0, 6.0, 3.0, 0.0, 1.5, 2.0];
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.1), "{found:?}");
        assert_eq!(choose_groups(&weights, &gram, 2, 0, &|| false).unwrap(), [0, 1]);
        assert_eq!(choose_groups(&weights, &gram, 2, 1, &|| false).unwrap().len(), 1);
        assert_eq!(choose_channels(&weights, &gram, 1, &|| true), None);
    }
}
