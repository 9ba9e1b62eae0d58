//! What is done number by number, for whole rows at a time and with the widest vectors that the machine has.
//!
//! The loops are plain; each is compiled for AVX-512, AVX2 and neither, and which of them runs is decided when it runs.

use crate::on_widest_vectors;

/// Numbers whose sums are kept apart: one wide vector, or two.
const LANES: usize = 16;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts: the first has few digits, so that products with whole numbers are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Added to a number and taken away again it leaves the nearest whole one, which then stands in the last bits of the sum.
const ROUND: f32 = 12_582_912.0;
/// Below this `exp` is 0 to any sum.
const LEAST_EXPONENT: f32 = -87.0;

/// exp of a number that is not above 0, to about 2 units in the last place.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.max(LEAST_EXPONENT);
    let rounded = x * LOG2_E + ROUND;
    let whole = rounded - ROUND;
    let rest = x - whole * LN_2[0] - whole * LN_2[1];
    // Taylor's series: |rest| is at most ln 2 / 2, where the first term left out is 6e-9
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

/// Share of the standard normal distribution below `x`, and its density there.
///
/// Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: wrong by 7.5e-8 at most.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let bell = exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2 * x.abs());
    let series = 1.061_405_4;
    let series = series * t - 1.453_152;
    let series = series * t + 1.421_413_7;
    let series = series * t - 0.284_496_74;
    let series = series * t + 0.254_829_6;
    let tail = 0.5 * series * t * bell;
    let share = if x < 0.0 { tail } else { 1.0 - tail };
    // 1 / √(2π)
    (share, 0.398_942_3 * bell)
}

/// The sum of `each` of all numbers of two slices, in an order that depends on nothing but how many they are.
#[inline(always)]
fn sum_of(a: &[f32], b: &[f32], each: impl Fn(f32, f32) -> f32) -> f32 {
    let ((whole_a, rest_a), (whole_b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0_f32; LANES];
    for (a, b) in whole_a.iter().zip(whole_b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += each(*a, *b);
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(rest_a).zip(rest_b) {
        *lane += each(*a, *b);
    }
    lanes.iter().sum()
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    sum_of(values, values, |value, _| value)
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum_of(a, b, |a, b| a * b)
}

/// The greatest of all numbers.
#[inline(always)]
fn greatest(values: &[f32]) -> f32 {
    let (whole, rest) = values.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for values in whole {
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// GELU as BERT has it, `x Φ(x)`, in place. Hendrycks and Gimpel, 2016, arXiv:1606.08415.
pub(super) fn gelu(values: &mut [f32]) {
    on_widest_vectors(
        #[inline(always)]
        || {
            for value in values.iter_mut() {
                *value *= normal(*value).0;
            }
        },
    );
}

/// What flows back through GELU: `gradients` of its results become those of its inputs `before`, which become the results once more.
pub(super) fn gelu_backward(before: &mut [f32], gradients: &mut [f32]) {
    on_widest_vectors(
        #[inline(always)]
        || {
            for (value, gradient) in before.iter_mut().zip(gradients.iter_mut()) {
                let (share, density) = normal(*value);
                *gradient *= share + *value * density;
                *value *= share;
            }
        },
    );
}

/// Softmax of each row, in place. Rows must not be empty.
pub(super) fn softmax(values: &mut [f32], columns: usize) {
    on_widest_vectors(
        #[inline(always)]
        || {
            for row in values.chunks_exact_mut(columns) {
                let greatest = greatest(row);
                for value in row.iter_mut() {
                    *value = exp(*value - greatest);
                }
                let scale = 1.0 / sum(row);
                for value in row.iter_mut() {
                    *value *= scale;
                }
            }
        },
    );
}

/// What flows back through softmax: `gradients` of its results `shares` become those of its inputs, times `scale`.
pub(super) fn softmax_backward(shares: &[f32], gradients: &mut [f32], columns: usize, scale: f32) {
    on_widest_vectors(
        #[inline(always)]
        || {
            for (shares, gradients) in shares.chunks_exact(columns).zip(gradients.chunks_exact_mut(columns)) {
                let mean = dot(shares, gradients);
                for (gradient, share) in gradients.iter_mut().zip(shares) {
                    *gradient = scale * share * (*gradient - mean);
                }
            }
        },
    );
}

/// Layer normalisation of rows of the length of `gamma`: `values` become the normalised ones, `out` those scaled and moved. Returns by
/// what each row was multiplied. Ba, Kiros and Hinton, 2016, arXiv:1607.06450.
pub(super) fn layer_norm(values: &mut [f32], gamma: &[f32], beta: &[f32], epsilon: f32, out: &mut [f32]) -> Vec<f32> {
    let size = gamma.len();
    let mut scales = vec![0.0; values.len() / size];
    on_widest_vectors(
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

/// What flows back through layer normalisation: `gradients` of its results become those of its inputs. `gamma_gradient` and
/// `beta_gradient` are added to.
pub(super) fn layer_norm_backward(
    normalized: &[f32],
    scales: &[f32],
    gamma: &[f32],
    gradients: &mut [f32],
    gamma_gradient: &mut [f32],
    beta_gradient: &mut [f32],
) {
    let size = gamma.len();
    on_widest_vectors(
        #[inline(always)]
        || {
            let rows = normalized.chunks_exact(size).zip(gradients.chunks_exact_mut(size));
            for ((normalized, gradients), scale) in rows.zip(scales) {
                add_to(beta_gradient, gradients);
                let places = gamma_gradient.iter_mut().zip(gradients.iter_mut()).zip(normalized).zip(gamma);
                for (((total, gradient), normalized), gamma) in places {
                    *total += *gradient * normalized;
                    *gradient *= gamma;
                }
                let mean = sum(gradients) / size as f32;
                let along = dot(gradients, normalized) / size as f32;
                for (gradient, normalized) in gradients.iter_mut().zip(normalized) {
                    *gradient = scale * (*gradient - mean - normalized * along);
                }
            }
        },
    );
}

/// `out = values · gamma + beta`, row by row: the end of a layer normalisation once more.
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
    on_widest_vectors(
        #[inline(always)]
        || {
            for row in rows.chunks_exact(size) {
                add_to(total, row);
            }
        },
    );
}

/// Adds numbers to those of `total`.
#[inline(always)]
pub(super) fn add_to(total: &mut [f32], values: &[f32]) {
    for (total, value) in total.iter_mut().zip(values) {
        *total += value;
    }
}

/// `values + row`, row by row.
pub(super) fn plus_row(values: &[f32], row: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for values in values.chunks_exact(row.len()) {
        out.extend(values.iter().zip(row).map(|(value, more)| value + more));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from -`most` to `most`.
    fn spread(most: f32, count: usize) -> Vec<f32> {
        (0..count).map(|place| (place as f32 / (count - 1) as f32 * 2.0 - 1.0) * most).collect()
    }

    #[test]
    fn the_exponential_is_exact_to_the_last_digits() {
        for x in spread(80.0, 10_001).into_iter().filter(|x| *x <= 0.0) {
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= exact * 3e-7, "{x}");
        }
        assert!(exp(-1e9) < 1e-37 && exp(0.0) == 1.0);
    }

    #[test]
    fn the_normal_distribution_is_symmetric_and_its_density_its_slope() {
        for x in spread(6.0, 2001) {
            let (share, density) = normal(x);
            assert!((share + normal(-x).0 - 1.0).abs() < 2e-7);
            let step = 1e-2_f32;
            let slope = (f64::from(normal(x + step).0) - f64::from(normal(x - step).0)) / (2.0 * f64::from(step));
            assert!((slope - f64::from(density)).abs() < 3e-5, "{x}");
        }
        // Φ(1) and Φ(-2) from tables
        assert!((normal(1.0).0 - 0.841_344_8).abs() < 1e-7 && (normal(-2.0).0 - 0.022_750_13).abs() < 1e-7);
    }

    #[test]
    fn a_softmax_row_sums_to_one_and_far_numbers_have_no_share() {
        let mut values = [1.0, 2.0, 3.0, -1e9, 5.0, 5.0, 5.0, 5.0];
        softmax(&mut values, 4);
        assert!((values[..4].iter().sum::<f32>() - 1.0).abs() < 1e-6 && values[3] == 0.0 || values[3] < 1e-30);
        assert!((values[2] / values[1] - std::f32::consts::E).abs() < 1e-5);
        assert_eq!(values[4..], [0.25; 4]);
    }
}
