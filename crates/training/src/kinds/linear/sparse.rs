//! Products of sparse rows with dense matrices, the kernel that dominates training time.
//!
//! One thread sums each output row in the order of its entries, so the result does not depend on the number of threads.

use aprendiz_inference::SparseRows;
use rayon::prelude::*;

/// Columns of the dense matrix that are processed together: one cache line of `f32`. A panel of all rows fits in the cache even if the
/// whole matrix does not, and its sums stay in registers.
pub(crate) const PANEL: usize = 16;

/// One row of a panel.
pub(crate) type Lanes = [f32; PANEL];

/// Output rows per parallel task.
const ROWS_PER_TASK: usize = 64;

/// `rows [R, K] × dense [K, columns] → [R, columns]`, in row-major order.
pub(crate) fn multiply(rows: &SparseRows, dense: &[f32], columns: usize) -> Vec<f32> {
    debug_assert_eq!(dense.len(), rows.columns() * columns);
    let mut product = vec![0.0_f32; rows.len() * columns];
    let mut panel = vec![0.0_f32; rows.columns() * PANEL];
    for first in (0..columns).step_by(PANEL) {
        let width = PANEL.min(columns - first);
        panel.par_chunks_exact_mut(PANEL).zip(dense.par_chunks_exact(columns)).for_each(|(panel, dense)| {
            panel[..width].copy_from_slice(&dense[first..first + width]);
        });
        product.par_chunks_mut(columns * ROWS_PER_TASK).enumerate().for_each(|(chunk, output)| {
            for (offset, output) in output.chunks_exact_mut(columns).enumerate() {
                let sums = times_panel(rows.row(chunk * ROWS_PER_TASK + offset), panel.as_chunks().0);
                output[first..first + width].copy_from_slice(&sums[..width]);
            }
        });
    }
    product
}

/// One sparse row times a panel `[K, PANEL]`.
pub(crate) fn times_panel((indices, values): (&[u32], &[f32]), panel: &[Lanes]) -> Lanes {
    let mut sums = [0.0_f32; PANEL];
    for (index, value) in indices.iter().zip(values) {
        for (sum, element) in sums.iter_mut().zip(&panel[*index as usize]) {
            *sum += value * element;
        }
    }
    sums
}

/// The inner products of all pairs of rows, `[R, R]`. At most [`PANEL`] rows are dense at a time.
pub(crate) fn inner_products(rows: &SparseRows) -> Vec<f32> {
    let count = rows.len();
    let mut products = vec![0.0_f32; count * count];
    let mut dense = vec![0.0_f32; rows.columns() * PANEL];
    for first in (0..count).step_by(PANEL) {
        let block = first..(first + PANEL).min(count);
        let fill = |dense: &mut [f32], on: bool| {
            for (lane, row) in block.clone().enumerate() {
                let (indices, values) = rows.row(row);
                for (index, value) in indices.iter().zip(values) {
                    dense[*index as usize * PANEL + lane] = if on { *value } else { 0.0 };
                }
            }
        };
        fill(&mut dense, true);
        // the products of the block with the rows above it are already computed
        products.par_chunks_mut(count).enumerate().skip(block.start).for_each(|(row, output)| {
            let sums = times_panel(rows.row(row), dense.as_chunks().0);
            output[block.clone()].copy_from_slice(&sums[..block.len()]);
        });
        fill(&mut dense, false);
    }
    for row in 0..count {
        for column in row + 1..count {
            products[row * count + column] = products[column * count + row];
        }
    }
    products
}

#[cfg(test)]
mod tests {
    use super::*;
    use aprendiz_inference::SparseRow;

    fn rows() -> SparseRows {
        let mut rows = SparseRows::new(3);
        rows.push(&SparseRow { indices: vec![0, 2], values: vec![1.0, 2.0] });
        rows.push(&SparseRow::default());
        rows.push(&SparseRow { indices: vec![1], values: vec![3.0] });
        rows
    }

    #[test]
    fn the_product_matches_a_manual_computation() {
        let dense = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0];
        assert_eq!(multiply(&rows(), &dense, 2), [7.0, 70.0, 0.0, 0.0, 6.0, 60.0]);
    }

    #[test]
    fn columns_beyond_the_first_panel_are_multiplied_correctly() {
        let dense: Vec<f32> = (0..3 * 40).map(|value| value as f32).collect();
        let product = multiply(&rows(), &dense, 40);
        for column in 0..40 {
            let expected = [column as f32 + 2.0 * (80 + column) as f32, 0.0, 3.0 * (40 + column) as f32];
            assert_eq!([product[column], product[40 + column], product[80 + column]], expected);
        }
    }

    #[test]
    fn inner_products_match_those_of_dense_rows() {
        assert_eq!(inner_products(&rows()), [5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0]);
    }

    #[test]
    fn inner_products_do_not_depend_on_block_boundaries() {
        let mut many = SparseRows::new(5);
        for row in 0..40_u32 {
            many.push(&SparseRow { indices: vec![row % 5], values: vec![row as f32] });
        }
        let products = inner_products(&many);
        for a in 0..40 {
            for b in 0..40 {
                let expected = if a % 5 == b % 5 { (a * b) as f32 } else { 0.0 };
                assert_eq!(products[a * 40 + b], expected);
            }
        }
    }
}
