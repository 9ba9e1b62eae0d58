//! Where the whole texts of sketches are read from.

/// Location of the texts of new sketches.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TextSource {
    /// The temporary tables of an import, then `document_texts`.
    Staged,
    /// `document_texts`.
    Stored,
}

impl TextSource {
    /// Returns the query for the texts of sketches `$1`, with the columns `id` and `text`.
    ///
    /// Several texts of one sketch differ only in case and white space, so any of them is used. A sketch whose documents are gone has an
    /// empty text, which has no near-duplicates.
    pub(super) const fn query(self) -> &'static str {
        match self {
            Self::Staged => STAGED_TEXTS,
            Self::Stored => STORED_TEXTS,
        }
    }
}

const STAGED_TEXTS: &str = "
    SELECT wanted.id,
           coalesce(
               (SELECT x.text FROM arrivals a JOIN staged_texts x ON x.task_index = a.ordinal
                WHERE a.sketch_id = wanted.id LIMIT 1),
               (SELECT t.text FROM document_sketches k JOIN document_texts t USING (document_id, version)
                WHERE k.sketch_id = wanted.id LIMIT 1),
               '') AS text
    FROM unnest($1::int[]) AS wanted (id)";

const STORED_TEXTS: &str = "
    SELECT wanted.id,
           coalesce(
               (SELECT t.text FROM document_sketches k JOIN document_texts t USING (document_id, version)
                WHERE k.sketch_id = wanted.id LIMIT 1),
               '') AS text
    FROM unnest($1::int[]) AS wanted (id)";
