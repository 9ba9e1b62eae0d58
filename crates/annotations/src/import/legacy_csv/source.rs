//! The source name of legacy review files.

/// Source name of documents and reviews of legacy review files.
pub(super) const SOURCE: &str = "legacy-csv";
