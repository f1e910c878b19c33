//! The few directions that most of the keys of a text lie in.

/// An orthonormal basis, a direction a row.
#[derive(Clone, Debug)]
pub struct Subspace {
    width: usize,
    basis: Vec<f32>,
}

impl Subspace {
    /// The `rank` leading eigenvectors of the sum of x·xᵀ over rows of `width` numbers, by Jacobi's rotations.
    pub fn of(rows: &[f32], width: usize, rank: usize) -> Self {
        /// Sweeps over all pairs; convergence is quadratic.
        const SWEEPS: usize = 12;
        let mut gram = vec![0.0f64; width * width];
        for row in rows.chunks_exact(width) {
            for (i, a) in row.iter().enumerate() {
                let sums = &mut gram[i * width..][..width];
                sums.iter_mut().zip(row).for_each(|(sum, b)| *sum += f64::from(*a) * f64::from(*b));
            }
        }
        let mut vectors = vec![0.0f64; width * width];
        (0..width).for_each(|i| vectors[i * width + i] = 1.0);
        for _ in 0..SWEEPS {
            for p in 0..width {
                for q in p + 1..width {
                    turn(&mut gram, &mut vectors, width, p, q);
                }
            }
        }
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|a, b| gram[b * width + b].total_cmp(&gram[a * width + a]));
        let leading = order.iter().take(rank).flat_map(|i| &vectors[i * width..][..width]);
        Self { width, basis: leading.map(|x| *x as f32).collect() }
    }

    /// What is left of rows when only their coordinates are kept, in half precision.
    pub fn keep(&self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(self.width) {
            let own = row.to_vec();
            row.fill(0.0);
            for direction in self.basis.chunks_exact(self.width) {
                let along = own.iter().zip(direction).map(|(x, d)| x * d).sum();
                let along = half::f16::from_f32(along).to_f32();
                row.iter_mut().zip(direction).for_each(|(x, d)| *x += along * d);
            }
        }
    }
}

/// Turns rows and columns `p` and `q` so that what couples them becomes 0. `vectors` has an eigenvector a row.
fn turn(gram: &mut [f64], vectors: &mut [f64], width: usize, p: usize, q: usize) {
    let (pp, qq, pq) = (gram[p * width + p], gram[q * width + q], gram[p * width + q]);
    if pq.abs() <= 1e-14 * (pp * qq).abs().sqrt() || pq == 0.0 {
        return;
    }
    let theta = (qq - pp) / (2.0 * pq);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for i in 0..width {
        let (a, b) = (gram[i * width + p], gram[i * width + q]);
        (gram[i * width + p], gram[i * width + q]) = (c * a - s * b, s * a + c * b);
    }
    for matrix in [gram, vectors] {
        for i in 0..width {
            let (a, b) = (matrix[p * width + i], matrix[q * width + i]);
            (matrix[p * width + i], matrix[q * width + i]) = (c * a - s * b, s * a + c * b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_plane_stay_and_others_lose_what_is_outside() {
        let plane = |a: f32, b: f32| [a + b, a - b, 2.0 * a, b];
        let rows: Vec<f32> = (0..9).flat_map(|n| plane(n as f32, (n * n % 5) as f32)).collect();
        let mut own = rows.clone();
        Subspace::of(&rows, 4, 2).keep(&mut own);
        assert!(own.iter().zip(&rows).all(|(a, b)| (a - b).abs() < 2e-2), "{own:?}");
        let mut outside = [1.0, 1.0, -1.0, 0.0];
        Subspace::of(&rows, 4, 2).keep(&mut outside);
        assert!(outside.iter().all(|x| x.abs() < 1e-2), "{outside:?}");
    }
}
