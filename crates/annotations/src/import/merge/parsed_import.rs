//! A file that was read completely, before it is merged.

use aprendiz_label_studio::ReadSummary;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A file whose tasks are all in the temporary tables.
pub(in crate::import) struct ParsedImport {
    pub(in crate::import) import_id: Uuid,
    pub(in crate::import) started_at: DateTime<Utc>,
    /// Bytes of the file, before decompression.
    pub(in crate::import) bytes: u64,
    pub(in crate::import) summary: ReadSummary,
}
