//! The message of the queue: a version and a run id.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

const VERSION: u32 = 1;

/// States that a run can be claimed. Two versions run side by side during an upgrade: a new field needs a default, a new meaning a
/// new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMessage {
    v: u32,
    /// The run.
    pub run_id: Uuid,
}

impl RunMessage {
    /// A message of the current version.
    #[must_use]
    pub const fn new(run_id: Uuid) -> Self {
        Self { v: VERSION, run_id }
    }

    pub(crate) fn encode(self) -> String {
        format!(r#"{{"v":{},"run_id":"{}"}}"#, self.v, self.run_id)
    }

    /// Decodes an entry of the queue.
    ///
    /// # Errors
    /// Describes what is wrong with the entry, for the log.
    pub fn decode(text: &str) -> Result<Self, String> {
        let message: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if message.v == VERSION { Ok(message) } else { Err(format!("unsupported message version {}, expected {VERSION}", message.v)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_wire() {
        let message = RunMessage::new(Uuid::from_u128(7));
        assert_eq!(message.encode(), r#"{"v":1,"run_id":"00000000-0000-0000-0000-000000000007"}"#);
        assert_eq!(RunMessage::decode(&message.encode()).unwrap(), message);
    }

    #[test]
    fn malformed_messages_and_unknown_versions_are_rejected() {
        assert!(RunMessage::decode("garbage").is_err());
        let newer = r#"{"v":2,"run_id":"00000000-0000-0000-0000-000000000007"}"#;
        assert!(RunMessage::decode(newer).unwrap_err().contains("version 2"));
    }
}
