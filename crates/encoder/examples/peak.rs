//! Measures the peak throughput of one core: fused multiply-adds of `f32` per second without memory access, the upper bound for matrix
//! products.

use std::{array, hint::black_box, time::Instant};

use aprendiz_encoder::with_simd;

/// Independent sums: 96 values are twelve AVX2 registers, enough to saturate both FMA units.
const SUMS: usize = 96;
const ROUNDS: u32 = 200_000_000;

fn main() {
    for _ in 0..5 {
        let started = Instant::now();
        let (factor, term) = (black_box(0.999_999_f32), black_box(1e-9_f32));
        let sums = with_simd(
            #[inline(always)]
            || {
                let mut sums: [f32; SUMS] = array::from_fn(|index| index as f32);
                for _ in 0..ROUNDS {
                    sums.iter_mut().for_each(|sum| *sum = sum.mul_add(factor, term));
                }
                sums
            },
        );
        black_box(sums);
        let operations = 2.0 * SUMS as f64 * f64::from(ROUNDS);
        println!("{:.1} GFLOPS", operations / started.elapsed().as_secs_f64() / 1e9);
    }
}
