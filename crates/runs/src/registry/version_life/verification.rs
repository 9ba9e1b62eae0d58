//! Outcome of a verification: a version was trained again from its snapshot, and the files were compared.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerificationResult {
    /// Every compared file has the recorded hash.
    Identical,
    /// At least one compared file differs, or exists on one side only.
    Different,
    /// The version cannot be trained again under the same conditions.
    NotComparable,
}

/// A file that differs from the published one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DifferingFile {
    /// Path in the model directory.
    pub path: String,
    /// Recorded SHA-256 of the published file; null if the version has no such file.
    pub published: Option<String>,
    /// SHA-256 of the file that was trained again; null if the training wrote no such file.
    pub trained: Option<String>,
}

/// Outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = VersionVerification)]
pub struct Verification {
    /// What was found.
    pub result: VerificationResult,
    /// Number of compared files.
    pub compared: usize,
    /// The files that differ, by path.
    pub files: Vec<DifferingFile>,
    /// Known causes of the result, in sentences.
    pub reasons: Vec<String>,
}

impl Verification {
    /// A verification that trains nothing, because the result could not be compared.
    #[must_use]
    pub fn not_comparable(reason: String) -> Self {
        Self { result: VerificationResult::NotComparable, compared: 0, files: Vec::new(), reasons: vec![reason] }
    }

    /// One sentence for the log of the run.
    pub(crate) fn describe(&self) -> String {
        let mut text = match self.result {
            VerificationResult::Identical => format!("identical: all {} compared files have the published hashes", self.compared),
            VerificationResult::Different => {
                let paths: Vec<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
                format!("different: {} of {} compared files differ ({})", self.files.len(), self.compared, paths.join(", "))
            }
            VerificationResult::NotComparable => "not comparable".to_owned(),
        };
        for reason in &self.reasons {
            text.push_str("; ");
            text.push_str(reason);
        }
        text
    }
}
