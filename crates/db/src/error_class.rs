//! Classification of database errors: the only place that decides what counts as temporary.

use sqlx::Error;

/// SQLSTATE classes that mean "not now": connection exceptions (08), insufficient resources (53: connections, memory, disk),
/// shutdown, crash and start-up (57P).
const UNAVAILABLE_CLASSES: [&str; 3] = ["08", "53", "57P"];
/// `read_only_sql_transaction`: the server lost a failover and is a standby now.
const READ_ONLY: &str = "25006";
/// `serialization_failure` and `deadlock_detected`.
const CONFLICTS: [&str; 2] = ["40001", "40P01"];
/// Further classes after which the same statement may succeed: transaction rollback (40, for example a deadlock), object not in the
/// required state (55, for example a lock that is not available), operator intervention (57), system error (58).
const TRANSIENT_CLASSES: [&str; 4] = ["40", "55", "57", "58"];

/// Why a transaction may succeed when it is repeated at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryReason {
    /// Postgres cannot be reached, is starting or stopping, is read-only, or is out of resources.
    Unavailable,
    /// Postgres aborted the transaction because of a concurrent one: a serialization failure or a deadlock.
    Conflict,
}

/// Why the transaction should be repeated at once. `None` for every other error, such as a statement that Postgres rejects for its content.
#[must_use]
pub fn retry_reason(error: &Error) -> Option<RetryReason> {
    match error {
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => {
            Some(RetryReason::Unavailable)
        }
        Error::Database(error) => {
            let code = error.code()?;
            if CONFLICTS.contains(&&*code) {
                return Some(RetryReason::Conflict);
            }
            (code == READ_ONLY || UNAVAILABLE_CLASSES.iter().any(|class| code.starts_with(class))).then_some(RetryReason::Unavailable)
        }
        _ => None,
    }
}

/// Whether the same work may succeed when repeated from the start of its transaction: [`retry_reason`], or an intervention that has ended by
/// then.
#[must_use]
pub fn is_transient(error: &Error) -> bool {
    let in_class = |error: &dyn sqlx::error::DatabaseError| {
        error.code().is_some_and(|code| TRANSIENT_CLASSES.iter().any(|class| code.starts_with(class)))
    };
    retry_reason(error).is_some() || error.as_database_error().is_some_and(in_class)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::error::Error as StdError;
    use std::fmt;
    use std::io;

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// An error of a server that carries nothing but its SQLSTATE.
    #[derive(Debug)]
    struct Sqlstate(&'static str);

    impl fmt::Display for Sqlstate {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Sqlstate {}

    impl DatabaseError for Sqlstate {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn sqlstate(code: &'static str) -> Error {
        Error::Database(Box::new(Sqlstate(code)))
    }

    #[test]
    fn a_lost_connection_is_unavailable() {
        let errors = [
            Error::Io(io::ErrorKind::ConnectionReset.into()),
            Error::Tls("bad certificate".into()),
            Error::Protocol("unexpected message".to_owned()),
            Error::PoolTimedOut,
            Error::PoolClosed,
            Error::WorkerCrashed,
        ];
        for error in errors {
            assert!(retry_reason(&error) == Some(RetryReason::Unavailable) && is_transient(&error), "{error:?}");
        }
    }

    #[test]
    fn a_server_that_cannot_answer_now_is_unavailable() {
        for code in ["08000", "08006", "53100", "53200", "53300", "57P01", "57P02", "57P03", "25006"] {
            assert!(retry_reason(&sqlstate(code)) == Some(RetryReason::Unavailable) && is_transient(&sqlstate(code)), "{code}");
        }
    }

    #[test]
    fn a_conflict_is_repeated_at_once() {
        for code in ["40001", "40P01"] {
            assert!(retry_reason(&sqlstate(code)) == Some(RetryReason::Conflict) && is_transient(&sqlstate(code)), "{code}");
        }
    }

    #[test]
    fn an_intervention_is_transient_but_not_repeated_at_once() {
        for code in ["40003", "55P03", "57014", "58030"] {
            assert!(retry_reason(&sqlstate(code)).is_none() && is_transient(&sqlstate(code)), "{code}");
        }
    }

    #[test]
    fn a_rejected_statement_is_neither() {
        // unique violation, undefined table, division by zero, syntax error, other transaction states, permission denied
        for code in ["23505", "42P01", "22012", "42601", "25P02", "42501"] {
            assert!(retry_reason(&sqlstate(code)).is_none() && !is_transient(&sqlstate(code)), "{code}");
        }
        for error in [Error::RowNotFound, Error::ColumnNotFound("id".to_owned())] {
            assert!(retry_reason(&error).is_none() && !is_transient(&error), "{error:?}");
        }
    }
}
