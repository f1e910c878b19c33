//! Matrix products of activations and weights.

use super::Matrix;
use rayon::prelude::*;

/// Rows of the matrix that are unpacked at a time: they stay in the second cache.
const PANEL: usize = 64;

/// `y = x · matrixᵀ + bias`. A panel of the matrix is unpacked once and used for all rows of x.
pub(super) fn linear(x: &[f32], matrix: &Matrix, bias: Option<&[f32]>, y: &mut [f32]) {
    let (inputs, outputs) = (matrix.shape[0] as usize, matrix.shape[1] as usize);
    let tokens = x.len() / inputs;
    let row = matrix.format.bytes(inputs as u64) as usize;
    let y_at = Shared(y.as_mut_ptr());
    let panels = matrix.bytes.par_chunks(PANEL * row).enumerate();
    panels.for_each_init(Vec::new, |weights, (panel, blocks)| {
        let rows = blocks.len() / row;
        weights.resize(rows * inputs, 0.0f32);
        (matrix.format.dequantize)(blocks, weights);
        let first = panel * PANEL;
        // SAFETY: x holds `tokens` rows of `inputs` numbers, the panel `rows` rows of as many, and y `tokens` rows of
        // `outputs` numbers, of which this panel writes the columns from `first` on that no other panel writes.
        unsafe {
            let to = y_at.get().add(first);
            let (beta, reads) = match bias {
                Some(bias) => {
                    for token in 0..tokens {
                        let bias = &bias[first..first + rows];
                        std::ptr::copy_nonoverlapping(bias.as_ptr(), to.add(token * outputs), rows);
                    }
                    (1.0, true)
                }
                None => (0.0, false),
            };
            gemm::gemm(
                tokens,
                rows,
                inputs,
                to,
                1,
                outputs as isize,
                reads,
                x.as_ptr(),
                1,
                inputs as isize,
                weights.as_ptr(),
                inputs as isize,
                1,
                beta,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    });
}

/// A place that several threads write to, each to numbers of its own.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: whoever uses it keeps threads apart.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    fn get(self) -> *mut f32 {
        self.0
    }
}
