//! Explanation of a document's split, as data and as sentences.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::splits::Split;

/// Maximum number of near-duplicates listed; the total counts all of them.
pub(super) const MAX_LISTED: i64 = 100;

/// One version of the split of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SplitVersion {
    /// Version number, from 1; a version replaces all earlier ones.
    pub version: i32,
    /// The split.
    pub split: Split,
    /// Documents of one group share a split.
    pub group_key: String,
    /// Reason: `hash`, `inherited`, or `bridge` for an excluded document.
    pub reason: String,
    /// Snapshots at this position or later use this version.
    pub position: i64,
    /// Time of the decision.
    pub since: DateTime<Utc>,
}

/// Another document with an overlapping text.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NearDuplicate {
    /// Its id.
    pub document_id: Uuid,
    /// Its source.
    pub source: String,
    /// Its project.
    pub project: String,
    /// Its id within the project.
    pub task_id: String,
    /// Number of shared 8-word shingles divided by the shingles of the smaller text, 0.5 to 1; 1 for equal texts.
    pub containment: f32,
    /// Whether the texts are equal except for case and white space.
    pub equal_text: bool,
    /// Its split; missing until one is assigned.
    pub split: Option<Split>,
    /// Its group.
    pub group_key: Option<String>,
}

/// Explanation of the split of a document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SplitExplanation {
    /// The document.
    pub document_id: Uuid,
    /// Its source.
    pub source: String,
    /// Its project.
    pub project: String,
    /// Its id within the project.
    pub task_id: String,
    /// The explanation as sentences.
    pub in_words: Vec<String>,
    /// Versions of its split, the current one last; empty until one is assigned.
    pub splits: Vec<SplitVersion>,
    /// Near-duplicates of its latest text by containment, highest first; at most 100.
    pub near_duplicates: Vec<NearDuplicate>,
    /// Total number of near-duplicates.
    pub near_duplicates_total: i64,
    /// Whether its latest text is indexed; if not, the next import or `aprendiz document index` indexes it.
    pub indexed: bool,
}

impl SplitExplanation {
    /// Renders the explanation as sentences.
    pub(super) fn render(&self) -> Vec<String> {
        let name = format!("Document {}/{}/{}", self.source, self.project, self.task_id);
        let Some(current) = self.splits.last() else {
            return vec![format!("{name} has no split yet: its next import assigns one.")];
        };
        let since = current.since.format("%Y-%m-%dT%H:%M:%SZ");
        let mut sentences = vec![
            match current.split {
                Split::Excluded => {
                    format!("{name} is excluded since {since}: snapshots at position {} or later do not contain it.", current.position)
                }
                split => format!("{name} is in {} since {since} (position {}).", split.as_str(), current.position),
            },
            match current.reason.as_str() {
                "hash" => "It had no near-duplicate when it was imported, so the hash of its text determined the split.".to_owned(),
                "inherited" => "It inherited the group and split of an earlier document with an equal or overlapping text.".to_owned(),
                "bridge" => {
                    "It overlaps with documents of different splits; in any of them it would leak training data into the evaluation."
                        .to_owned()
                }
                "archived" => "It is archived: `aprendiz document unarchive` puts it back into the split that it had.".to_owned(),
                "withdrawn" => "All imports that contained it were reverted; importing it again brings it back.".to_owned(),
                other => format!("The recorded reason is `{other}`."),
            },
        ];
        if let [.., before, _] = self.splits.as_slice() {
            sentences.push(format!("Before that it was in {} (position {}).", before.split.as_str(), before.position));
        }
        sentences.push(if self.indexed {
            self.render_near_duplicates()
        } else {
            "Its latest text is not indexed yet: the next import or `aprendiz document index` compares it with the others.".to_owned()
        });
        sentences
    }

    fn render_near_duplicates(&self) -> String {
        let total = self.near_duplicates_total;
        if total == 0 {
            return "No other document shares half of its 8-word shingles.".to_owned();
        }
        let at_least = if total > MAX_LISTED { "at least " } else { "" };
        let count = |split| self.near_duplicates.iter().filter(|near| near.split == Some(split)).count();
        let by_split = [Split::Train, Split::Validation, Split::Test, Split::Excluded]
            .into_iter()
            .map(|split| (count(split), split.as_str()))
            .filter(|(count, _)| *count > 0)
            .map(|(count, split)| format!("{at_least}{count} in {split}"))
            .collect::<Vec<_>>();
        let (documents, share) = if total == 1 { ("document", "shares") } else { ("documents", "share") };
        format!("{total} other {documents} {share} at least half of the 8-word shingles of the smaller text: {}.", by_split.join(", "))
    }
}
