//! Elementwise and row-wise kernels with SIMD: activation functions, softmax and layer norm, with their backward passes.
//!
//! The loops are plain Rust, compiled for AVX-512, for AVX2 and for neither; the version is selected at run time.

use crate::simd::with_simd;

/// Number of independent partial sums: one or two SIMD registers.
const LANES: usize = 16;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts: the first has few digits, so that its products with integers are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Adding and subtracting this rounds to the nearest integer, which the sum then has in its lowest bits.
const ROUND: f32 = 12_582_912.0;
/// Below this, `exp` is treated as 0.
const MIN_EXPONENT: f32 = -87.0;

/// exp of a non-positive number, to about 2 units in the last place.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.max(MIN_EXPONENT);
    let rounded = x * LOG2_E + ROUND;
    let whole = rounded - ROUND;
    let rest = x - whole * LN_2[0] - whole * LN_2[1];
    // Taylor series: |rest| ≤ ln 2 / 2, where the first omitted term is 6e-9
    let series = 1.0 / 5040.0;
    let series = series * rest + 1.0 / 720.0;
    let series = series * rest + 1.0 / 120.0;
    let series = series * rest + 1.0 / 24.0;
    let series = series * rest + 1.0 / 6.0;
    let series = series * rest + 0.5;
    let series = series * rest + 1.0;
    let series = series * rest + 1.0;
    let power = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    series * f32::from_bits(power)
}

/// CDF of the standard normal distribution at `x`, and its density.
///
/// Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: maximum error 7.5e-8.
#[inline(always)]
fn normal_cdf(x: f32) -> (f32, f32) {
    let gaussian = exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2 * x.abs());
    let series = 1.061_405_4;
    let series = series * t - 1.453_152;
    let series = series * t + 1.421_413_7;
    let series = series * t - 0.284_496_74;
    let series = series * t + 0.254_829_6;
    let tail = 0.5 * series * t * gaussian;
    let cdf = if x < 0.0 { tail } else { 1.0 - tail };
    // 1 / √(2π)
    (cdf, 0.398_942_3 * gaussian)
}

/// The sum of `map` over two slices, in an order that depends only on their length.
#[inline(always)]
fn map_sum(a: &[f32], b: &[f32], map: impl Fn(f32, f32) -> f32) -> f32 {
    let ((whole_a, rest_a), (whole_b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0_f32; LANES];
    for (a, b) in whole_a.iter().zip(whole_b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += map(*a, *b);
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(rest_a).zip(rest_b) {
        *lane += map(*a, *b);
    }
    lanes.iter().sum()
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    map_sum(values, values, |value, _| value)
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    map_sum(a, b, |a, b| a * b)
}

/// The maximum of a slice.
#[inline(always)]
fn maximum(values: &[f32]) -> f32 {
    let (whole, rest) = values.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for values in whole {
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Exact GELU as in BERT, `x Φ(x)`, in place. Hendrycks and Gimpel, 2016, arXiv:1606.08415.
pub(super) fn gelu(values: &mut [f32]) {
    with_simd(
        #[inline(always)]
        || {
            for value in values.iter_mut() {
                *value *= normal_cdf(*value).0;
            }
        },
    );
}

/// Backward pass of GELU: `gradients` of the outputs become those of the inputs, and the inputs become the outputs again.
pub(super) fn gelu_backward(inputs: &mut [f32], gradients: &mut [f32]) {
    with_simd(
        #[inline(always)]
        || {
            for (value, gradient) in inputs.iter_mut().zip(gradients.iter_mut()) {
                let (cdf, density) = normal_cdf(*value);
                *gradient *= cdf + *value * density;
                *value *= cdf;
            }
        },
    );
}

/// Softmax of each row, in place. Rows must not be empty.
pub(super) fn softmax(values: &mut [f32], columns: usize) {
    with_simd(
        #[inline(always)]
        || {
            for row in values.chunks_exact_mut(columns) {
                let maximum = maximum(row);
                for value in row.iter_mut() {
                    *value = exp(*value - maximum);
                }
                let scale = 1.0 / sum(row);
                for value in row.iter_mut() {
                    *value *= scale;
                }
            }
        },
    );
}

/// Backward pass of softmax: `gradients` of the outputs become those of the inputs, multiplied by `scale`.
pub(super) fn softmax_backward(outputs: &[f32], gradients: &mut [f32], columns: usize, scale: f32) {
    with_simd(
        #[inline(always)]
        || {
            for (outputs, gradients) in outputs.chunks_exact(columns).zip(gradients.chunks_exact_mut(columns)) {
                let mean = dot(outputs, gradients);
                for (gradient, output) in gradients.iter_mut().zip(outputs) {
                    *gradient = scale * output * (*gradient - mean);
                }
            }
        },
    );
}

/// Layer norm of rows of the length of `gamma`: `values` are normalized in place, `out` gets them scaled and shifted. Returns the factor by
/// which each row was multiplied. Ba, Kiros and Hinton, 2016, arXiv:1607.06450.
pub(super) fn layer_norm(values: &mut [f32], gamma: &[f32], beta: &[f32], epsilon: f32, out: &mut [f32]) -> Vec<f32> {
    let size = gamma.len();
    let mut scales = vec![0.0; values.len() / size];
    with_simd(
        #[inline(always)]
        || {
            let rows = values.chunks_exact_mut(size).zip(out.chunks_exact_mut(size));
            for ((row, out), scale) in rows.zip(scales.iter_mut()) {
                let mean = sum(row) / size as f32;
                for value in row.iter_mut() {
                    *value -= mean;
                }
                *scale = 1.0 / (dot(row, row) / size as f32 + epsilon).sqrt();
                for (((value, out), gamma), beta) in row.iter_mut().zip(out).zip(gamma).zip(beta) {
                    *value *= *scale;
                    *out = *value * gamma + beta;
                }
            }
        },
    );
    scales
}

/// Backward pass of layer norm: `gradients` of the outputs become those of the inputs. Adds to `gamma_gradient` and `beta_gradient`.
pub(super) fn layer_norm_backward(
    normalized: &[f32],
    scales: &[f32],
    gamma: &[f32],
    gradients: &mut [f32],
    gamma_gradient: &mut [f32],
    beta_gradient: &mut [f32],
) {
    let size = gamma.len();
    with_simd(
        #[inline(always)]
        || {
            let rows = normalized.chunks_exact(size).zip(gradients.chunks_exact_mut(size));
            for ((normalized, gradients), scale) in rows.zip(scales) {
                add_to(beta_gradient, gradients);
                let columns = gamma_gradient.iter_mut().zip(gradients.iter_mut()).zip(normalized).zip(gamma);
                for (((total, gradient), normalized), gamma) in columns {
                    *total += *gradient * normalized;
                    *gradient *= gamma;
                }
                let mean = sum(gradients) / size as f32;
                let projection = dot(gradients, normalized) / size as f32;
                for (gradient, normalized) in gradients.iter_mut().zip(normalized) {
                    *gradient = scale * (*gradient - mean - normalized * projection);
                }
            }
        },
    );
}

/// `out = values · gamma + beta`, row by row: the last step of a layer norm.
pub(super) fn scale_rows(values: &[f32], gamma: &[f32], beta: &[f32], out: &mut [f32]) {
    for (values, out) in values.chunks_exact(gamma.len()).zip(out.chunks_exact_mut(gamma.len())) {
        for (((out, value), gamma), beta) in out.iter_mut().zip(values).zip(gamma).zip(beta) {
            *out = value * gamma + beta;
        }
    }
}

/// Adds each row to `total`.
pub(super) fn add_rows(total: &mut [f32], rows: &[f32]) {
    let size = total.len();
    with_simd(
        #[inline(always)]
        || {
            for row in rows.chunks_exact(size) {
                add_to(total, row);
            }
        },
    );
}

/// Adds `values` to `total`.
#[inline(always)]
pub(super) fn add_to(total: &mut [f32], values: &[f32]) {
    for (total, value) in total.iter_mut().zip(values) {
        *total += value;
    }
}

/// `values + row`, row by row.
pub(super) fn add_row(values: &[f32], row: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for values in values.chunks_exact(row.len()) {
        out.extend(values.iter().zip(row).map(|(value, offset)| value + offset));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from -`max` to `max`.
    fn spread(max: f32, count: usize) -> Vec<f32> {
        (0..count).map(|index| (index as f32 / (count - 1) as f32 * 2.0 - 1.0) * max).collect()
    }

    #[test]
    fn the_exponential_is_accurate_to_the_last_digits() {
        for x in spread(80.0, 10_001).into_iter().filter(|x| *x <= 0.0) {
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= exact * 3e-7, "{x}");
        }
        assert!(exp(-1e9) < 1e-37 && exp(0.0) == 1.0);
    }

    #[test]
    fn the_normal_cdf_is_symmetric_and_its_density_is_its_derivative() {
        for x in spread(6.0, 2001) {
            let (cdf, density) = normal_cdf(x);
            assert!((cdf + normal_cdf(-x).0 - 1.0).abs() < 2e-7);
            let step = 1e-2_f32;
            let slope = (f64::from(normal_cdf(x + step).0) - f64::from(normal_cdf(x - step).0)) / (2.0 * f64::from(step));
            assert!((slope - f64::from(density)).abs() < 3e-5, "{x}");
        }
        // Φ(1) and Φ(-2) from tables
        assert!((normal_cdf(1.0).0 - 0.841_344_8).abs() < 1e-7 && (normal_cdf(-2.0).0 - 0.022_750_13).abs() < 1e-7);
    }

    #[test]
    fn a_softmax_row_sums_to_one_and_small_scores_get_weight_zero() {
        let mut values = [1.0, 2.0, 3.0, -1e9, 5.0, 5.0, 5.0, 5.0];
        softmax(&mut values, 4);
        assert!((values[..4].iter().sum::<f32>() - 1.0).abs() < 1e-6 && values[3] == 0.0 || values[3] < 1e-30);
        assert!((values[2] / values[1] - std::f32::consts::E).abs() < 1e-5);
        assert_eq!(values[4..], [0.25; 4]);
    }
}
