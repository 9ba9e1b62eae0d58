//! Remembers the last logged cause, so that a loop logs each cause once and not in every round.

use std::fmt::Display;

/// The cause that was logged last.
#[derive(Debug, Default)]
pub struct WarnOnce {
    logged: Option<String>,
}

impl WarnOnce {
    /// Remembers `cause`. Returns whether it differs from the last one, so that it should be logged.
    #[must_use]
    pub fn is_new(&mut self, cause: &impl Display) -> bool {
        let cause = cause.to_string();
        let is_new = self.logged.as_ref() != Some(&cause);
        self.logged = Some(cause);
        is_new
    }

    /// Clears the cause after a success. Returns whether there was one, so that the recovery should be logged.
    pub fn clear(&mut self) -> bool {
        self.logged.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_logged_once_until_recovery() {
        let mut warned = WarnOnce::default();
        assert!(!warned.clear());
        assert!(warned.is_new(&"refused"));
        assert!(!warned.is_new(&"refused"));
        assert!(warned.is_new(&"timed out"));
        assert!(warned.clear());
        assert!(warned.is_new(&"timed out"));
    }
}
