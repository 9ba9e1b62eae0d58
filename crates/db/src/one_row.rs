//! Check that a statement changed exactly the row that it was meant to change.

use sqlx::postgres::PgQueryResult;

/// Succeeds when the statement changed exactly one row.
///
/// # Errors
/// What `otherwise` returns: the compare-and-set found another state than it expected.
pub fn ensure_one_row<E>(result: &PgQueryResult, otherwise: impl FnOnce() -> E) -> Result<(), E> {
    if result.rows_affected() == 1 { Ok(()) } else { Err(otherwise()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_an_error() {
        assert_eq!(ensure_one_row(&PgQueryResult::default(), || "lost"), Err("lost"));
    }
}
