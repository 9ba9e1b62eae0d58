//! Exact McNemar test.

use statrs::distribution::{Binomial, DiscreteCDF as _};

/// Two-sided p-value of the exact McNemar test: the probability under the binomial distribution with p = 0.5 of a split of the
/// discordant pairs at least as uneven as this one. 1 without a discordant pair.
///
/// McNemar (1947), <https://doi.org/10.1007/BF02295996>; the exact form is `scipy.stats.binomtest(wins, wins + losses)`.
#[must_use]
pub fn mcnemar_exact(wins: u64, losses: u64) -> f64 {
    let discordant = wins + losses;
    if discordant == 0 {
        return 1.0;
    }
    let binomial = Binomial::new(0.5, discordant).expect("0.5 is a probability");
    (2.0 * binomial.cdf(wins.min(losses))).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn matches_the_binomial_tail_worked_by_hand() {
        // 1 win and 5 losses: 2 * (C(6,0) + C(6,1)) / 2^6 = 14/64
        assert!(close(mcnemar_exact(1, 5), 14.0 / 64.0));
        assert!(close(mcnemar_exact(5, 1), 14.0 / 64.0));
        // 0 of 10: 2 / 2^10
        assert!(close(mcnemar_exact(10, 0), 2.0 / 1024.0));
    }

    #[test]
    fn an_even_split_and_no_discordant_pair_have_the_p_value_one() {
        assert_eq!(mcnemar_exact(0, 0), 1.0);
        assert_eq!(mcnemar_exact(4, 4), 1.0);
    }
}
