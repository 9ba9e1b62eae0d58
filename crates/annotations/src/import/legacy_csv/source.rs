//! The source name of legacy review files.

/// Source name of documents and reviews of legacy review files.
pub(in crate::import) const SOURCE: &str = "legacy-csv";
