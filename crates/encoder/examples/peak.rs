//! How many multiplications and additions of 32 bits one core does in a second when nothing has to be fetched: the most that products of
//! matrices can reach.

use std::{array, hint::black_box, time::Instant};

use encoder::on_widest_vectors;

/// Sums that do not wait for each other: 96 numbers are twelve vectors of AVX2, as many as its two units need and its registers hold.
const SUMS: usize = 96;
const ROUNDS: u32 = 200_000_000;

fn main() {
    for _ in 0..5 {
        let started = Instant::now();
        let (factor, term) = (black_box(0.999_999_f32), black_box(1e-9_f32));
        let sums = on_widest_vectors(
            #[inline(always)]
            || {
                let mut sums: [f32; SUMS] = array::from_fn(|place| place as f32);
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
