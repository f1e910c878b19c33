//! Random weights, and Gram matrices as models have them.

use tuck::quant::Format;

/// Numbers around 0, the same for the same seed.
pub fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count).map(|_| uniform() + uniform() + uniform()).collect()
}

/// The Gram matrix of inputs whose columns go together and differ in size, as those of a model do.
pub fn gram(columns: usize, seed: u64) -> Vec<f32> {
    let (inputs, shared) = (2 * columns, 24);
    let (common, own, mix) =
        (noise(inputs * shared, seed), noise(inputs * columns, seed + 1), noise(shared * columns, seed + 2));
    let mut x = own;
    for (x, common) in x.chunks_mut(columns).zip(common.chunks(shared)) {
        for (mix, common) in mix.chunks(columns).zip(common) {
            x.iter_mut().zip(mix).for_each(|(x, mix)| *x += 0.6 * mix * common);
        }
        x.iter_mut().enumerate().for_each(|(j, x)| *x *= if j % 37 == 5 { 6.0 } else { 1.0 });
    }
    let mut gram = vec![0.0; columns * columns];
    for x in x.chunks(columns) {
        for (row, xi) in gram.chunks_mut(columns).zip(x) {
            row.iter_mut().zip(x).for_each(|(sum, xj)| *sum += xi * xj / inputs as f32);
        }
    }
    gram
}

/// e · H · eᵀ of each row, with H as `Hessian` has it, in doubles.
pub fn costs(weights: &[f32], format: &Format, blocks: &[u8], gram: &[f32], columns: usize) -> Vec<f64> {
    let mut values = vec![0.0; weights.len()];
    (format.dequantize)(blocks, &mut values);
    let mean = (0..columns).map(|i| f64::from(gram[i * columns + i])).sum::<f64>() / columns as f64;
    let row = |(weights, values): (&[f32], &[f32])| {
        let e: Vec<f64> = weights.iter().zip(values).map(|(w, q)| f64::from(*w) - f64::from(*q)).collect();
        let along = |i: usize| -> f64 {
            let row = &gram[i * columns..][..columns];
            row.iter().zip(&e).map(|(h, e)| f64::from(*h) / mean * e).sum::<f64>() + 0.01 * e[i]
        };
        (0..columns).map(|i| e[i] * along(i)).sum()
    };
    weights.chunks(columns).zip(values.chunks(columns)).map(row).collect()
}
