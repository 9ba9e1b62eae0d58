//! Which of several reviews of one field counts.

use chrono::{DateTime, Utc};

/// Sort key of a review; the greatest one counts.
///
/// Of equal times the greater reference counts, compared as a number: of two references of one source, such as `annotation:99` and
/// `annotation:100`, the longer one has the greater number. The same order is in SQL: `occurred_at DESC, octet_length(source_ref) DESC,
/// source_ref COLLATE "C" DESC, source COLLATE "C" DESC`. The order of arrival never decides.
#[must_use]
pub const fn review_order<'r>(
    occurred_at: DateTime<Utc>,
    source_ref: &'r str,
    source: &'r str,
) -> (DateTime<Utc>, usize, &'r str, &'r str) {
    (occurred_at, source_ref.len(), source_ref, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_are_decided_by_the_greater_number() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let order = |seconds, source_ref: &'static str| review_order(at(seconds), source_ref, "label-studio");
        assert!(order(1, "annotation:100") > order(1, "annotation:99"));
        assert!(order(1, "annotation:82") > order(1, "annotation:81"));
        assert!(order(2, "annotation:1") > order(1, "annotation:2"));
    }
}
