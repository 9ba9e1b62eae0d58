//! Selection of an export.

/// What to export. All parts of one export use the same selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportSelection {
    /// Events, texts and details up to this position, as returned by `aprendiz_runs::resolve_position`.
    pub position: i64,
    /// Only documents of this source.
    pub source: Option<String>,
    /// Only documents of this project.
    pub project: Option<String>,
    /// Only these fields; empty = all.
    pub fields: Vec<String>,
    /// Only predictions of this version of the extractor, or of a published model; `None` = all.
    pub extractor_version: Option<String>,
    /// Whether archived documents are exported as well.
    pub with_archived: bool,
    /// Whether to load the texts of the documents.
    pub with_texts: bool,
}
