//! Classes of failures of Redis, with words for operators.

use std::fmt;

use redis::{ErrorKind, RedisError};

/// Why Redis cannot be used. `Display` describes it without host, user or password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedisFault {
    /// No connection, or no response.
    Unreachable,
    /// The TLS handshake failed, because one side does not accept the certificate of the other.
    Certificate,
    /// Redis rejects user name or password.
    Credentials,
    /// The ACL user lacks a right.
    Permission,
    /// Memory is full, and nothing may be evicted.
    Full,
    /// The server is a replica.
    ReadOnly,
    /// The last snapshot or append to disk failed.
    DiskFailed,
    /// Fewer replicas are connected than writes require.
    TooFewReplicas,
    /// The server is loading its data after a start.
    Loading,
    /// Anything else.
    Other,
}

/// Codes at the beginning of an error of Redis, or inside the error of a script.
const CODES: [(&str, RedisFault); 9] = [
    ("WRONGPASS", RedisFault::Credentials),
    ("NOAUTH", RedisFault::Credentials),
    ("NOPERM", RedisFault::Permission),
    ("OOM", RedisFault::Full),
    ("READONLY", RedisFault::ReadOnly),
    ("MISCONF", RedisFault::DiskFailed),
    ("NOREPLICAS", RedisFault::TooFewReplicas),
    ("LOADING", RedisFault::Loading),
    ("MASTERDOWN", RedisFault::ReadOnly),
];

/// Words of an error whose code was lost on its way through a script or through apalis.
const PHRASES: [(&str, RedisFault); 12] = [
    ("invalid peer certificate", RedisFault::Certificate),
    ("CertificateRequired", RedisFault::Certificate),
    ("command not allowed when used memory", RedisFault::Full),
    ("read only replica", RedisFault::ReadOnly),
    ("ReadOnly", RedisFault::ReadOnly),
    ("The user executing the script", RedisFault::Permission),
    ("NoPerm", RedisFault::Permission),
    ("BusyLoading", RedisFault::Loading),
    ("Connection refused", RedisFault::Unreachable),
    ("timed out", RedisFault::Unreachable),
    ("broken pipe", RedisFault::Unreachable),
    ("subscription was closed", RedisFault::Unreachable),
];

impl RedisFault {
    pub(crate) fn of(error: &RedisError) -> Self {
        if error.kind() == ErrorKind::AuthenticationFailed {
            return Self::Credentials;
        }
        if Self::of_text(&error.to_string()) == Self::Certificate {
            return Self::Certificate;
        }
        if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() {
            return Self::Unreachable;
        }
        let by_code = error.code().and_then(|code| CODES.iter().find(|(known, _)| *known == code)).map(|(_, fault)| *fault);
        by_code.unwrap_or_else(|| Self::of_text(&error.to_string()))
    }

    pub(crate) fn of_text(text: &str) -> Self {
        let contains_code = |code: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == code);
        let by_code = CODES.iter().find(|(code, _)| contains_code(code));
        by_code.or_else(|| PHRASES.iter().find(|(phrase, _)| text.contains(phrase))).map_or(Self::Other, |(_, fault)| *fault)
    }

    pub(crate) const fn advice(self) -> &'static str {
        match self {
            Self::Unreachable => "check REDIS_URL and that Redis is running",
            Self::Certificate => {
                "check REDIS_URL and that Redis is running; for a CA of your own, set SSL_CERT_FILE; if Redis demands a client certificate, set REDIS_CLIENT_CERT_FILE and REDIS_CLIENT_KEY_FILE"
            }
            Self::Credentials => "check user name and password in REDIS_URL; a special character in them must be percent-encoded",
            Self::Permission => {
                "grant the user of REDIS_URL the rights listed under \"Redis\" in docs/OPERATIONS.md, on the keys and on the channels of APRENDIZ_QUEUE_PREFIX"
            }
            Self::Full => "increase maxmemory of Redis, or remove what else it holds",
            Self::ReadOnly => "let REDIS_URL point to the primary, not to a replica",
            Self::DiskFailed => {
                "free disk space for Redis, or switch its snapshots off (CONFIG SET save \"\"): Aprendiz does not need them"
            }
            Self::TooFewReplicas => "connect the missing replicas of Redis, or lower its min-replicas-to-write",
            Self::Loading => "wait until Redis has loaded its data",
            Self::Other => "check the log of Redis",
        }
    }
}

impl fmt::Display for RedisFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "Redis does not respond",
            Self::Certificate => "the TLS certificate of Redis or that of this process is not accepted",
            Self::Credentials => "Redis rejects the user name or the password",
            Self::Permission => "Redis denies a command, a key or a channel to its user (NOPERM)",
            Self::Full => "Redis is full and rejects writes (OOM)",
            Self::ReadOnly => "Redis is a replica and rejects writes (READONLY)",
            Self::DiskFailed => "Redis cannot save to disk and rejects writes (MISCONF)",
            Self::TooFewReplicas => "Redis has too few replicas and rejects writes (NOREPLICAS)",
            Self::Loading => "Redis is loading its data (LOADING)",
            Self::Other => "Redis rejects a command",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_found_inside_the_error_of_a_script() {
        for (text, fault) in [
            (
                "Error running script (call to f_3a): @user_script:1: -OOM command not allowed when used memory > 'maxmemory'.",
                RedisFault::Full,
            ),
            ("\"MISCONF\": Redis is configured to save RDB snapshots", RedisFault::DiskFailed),
            ("NOREPLICAS Not enough good replicas to write.", RedisFault::TooFewReplicas),
            ("ResponseError: The user executing the script can't run this command or subcommand", RedisFault::Permission),
            ("ReadOnly: You can't write against a read only replica.", RedisFault::ReadOnly),
            ("zooming", RedisFault::Other),
        ] {
            assert_eq!(RedisFault::of_text(text), fault, "{text}");
        }
    }
}
