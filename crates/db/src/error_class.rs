//! Classification of database errors: the only place that decides what counts as temporary.

use sqlx::Error;

/// SQLSTATE classes that mean "not now": connection exceptions (08), insufficient resources (53: connections, memory, disk),
/// shutdown, crash and start-up (57P).
const UNAVAILABLE_CLASSES: [&str; 3] = ["08", "53", "57P"];
/// `read_only_sql_transaction`: the server lost a failover and is a standby now.
const READ_ONLY: &str = "25006";
/// Further classes after which the same statement may succeed: transaction rollback (40, for example a deadlock), object not in the
/// required state (55, for example a lock that is not available), operator intervention (57), system error (58).
const TRANSIENT_CLASSES: [&str; 4] = ["40", "55", "57", "58"];

/// Whether Postgres is temporarily unavailable: it cannot be reached, is starting or stopping, is read-only, or is out of resources.
/// The same statement may succeed in a moment. A statement that Postgres rejects for its content is not covered.
#[must_use]
pub fn is_unavailable(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => true,
        Error::Database(error) => {
            error.code().is_some_and(|code| code == READ_ONLY || UNAVAILABLE_CLASSES.iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}

/// Whether the same work may succeed when repeated from the start of its transaction: [`is_unavailable`], or a conflict with
/// another transaction, or an intervention that has ended by then.
#[must_use]
pub fn is_transient(error: &Error) -> bool {
    let in_class = |error: &dyn sqlx::error::DatabaseError| {
        error.code().is_some_and(|code| TRANSIENT_CLASSES.iter().any(|class| code.starts_with(class)))
    };
    is_unavailable(error) || error.as_database_error().is_some_and(in_class)
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
            assert!(is_unavailable(&error) && is_transient(&error), "{error:?}");
        }
    }

    #[test]
    fn a_server_that_cannot_answer_now_is_unavailable() {
        for code in ["08000", "08006", "53100", "53200", "53300", "57P01", "57P02", "57P03", "25006"] {
            assert!(is_unavailable(&sqlstate(code)) && is_transient(&sqlstate(code)), "{code}");
        }
    }

    #[test]
    fn a_conflict_is_transient_but_not_unavailable() {
        for code in ["40001", "40P01", "55P03", "57014", "58030"] {
            assert!(!is_unavailable(&sqlstate(code)) && is_transient(&sqlstate(code)), "{code}");
        }
    }

    #[test]
    fn a_rejected_statement_is_neither() {
        // unique violation, undefined table, division by zero, syntax error, other transaction states, permission denied
        for code in ["23505", "42P01", "22012", "42601", "25P02", "42501"] {
            assert!(!is_unavailable(&sqlstate(code)) && !is_transient(&sqlstate(code)), "{code}");
        }
        for error in [Error::RowNotFound, Error::ColumnNotFound("id".to_owned())] {
            assert!(!is_unavailable(&error) && !is_transient(&error), "{error:?}");
        }
    }
}
