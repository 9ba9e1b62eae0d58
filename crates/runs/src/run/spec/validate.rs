//! Validation of specs, as far as it is possible without the database.

use crate::run::spec::data::PairsSpec;
use crate::run::spec::error::SpecError;
use crate::run::spec::run_spec::RunSpec;
use crate::run::status::RunKind;

const MAX_FIELDS: usize = 500;
const MAX_DOCUMENTS: usize = 100_000;

impl RunSpec {
    /// Validates everything that does not depend on the database.
    ///
    /// # Errors
    /// Names the key, the given value and the allowed values.
    pub fn validate(&self) -> Result<(), SpecError> {
        let check = |is_valid: bool, key: &'static str, value: String, rule: &'static str| {
            if is_valid { Ok(()) } else { Err(SpecError::OutOfRange { key, value, rule }) }
        };
        if !matches!(self.kind, RunKind::Linear | RunKind::SentenceTransformer | RunKind::Evaluate) {
            return Err(SpecError::KindNotBuilt(self.kind));
        }
        let documents = self.data.documents.as_ref().map_or(1, Vec::len);
        let target = self.target_accuracy;
        check((-100..=100).contains(&self.priority), "priority", self.priority.to_string(), "between -100 and 100")?;
        check((1..=20).contains(&self.max_attempts), "max_attempts", self.max_attempts.to_string(), "between 1 and 20")?;
        check(target > 0.0 && target < 1.0, "target_accuracy", target.to_string(), "greater than 0 and less than 1")?;
        check(
            matches!(self.backend.as_str(), "auto" | "flex" | "ndarray" | "cuda"),
            "backend",
            self.backend.clone(),
            "auto, flex, ndarray or cuda",
        )?;
        check(self.data.fields.len() <= MAX_FIELDS, "data.fields", format!("{} names", self.data.fields.len()), "at most 500 names")?;
        check((1..=MAX_DOCUMENTS).contains(&documents), "data.documents", format!("{documents} ids"), "null, or 1 to 100000 ids")?;
        check(
            (1..=1_000_000).contains(&self.data.min_support),
            "data.min_support",
            self.data.min_support.to_string(),
            "between 1 and 1000000",
        )?;
        if let Some(PairsSpec { of, per_label, hard_negatives: _, max_chars }) = &self.data.pairs {
            check(!of.is_empty(), "data.pairs.of", "empty".to_owned(), "one or both of values and texts")?;
            check((1..=4_096).contains(per_label), "data.pairs.per_label", per_label.to_string(), "between 1 and 4096")?;
            check((1..=100_000).contains(max_chars), "data.pairs.max_chars", max_chars.to_string(), "between 1 and 100000")?;
        }
        if self.kind == RunKind::SentenceTransformer {
            self.base_model()?;
        } else {
            check(self.base_model.is_none(), "base_model", "given".to_owned(), "absent: this kind has no base model")?;
            let pairs = &self.data.pairs;
            check(pairs.is_none(), "data.pairs", "given".to_owned(), "absent: only `sentence-transformer` trains on pairs")?;
        }
        check(self.kind != RunKind::Evaluate || self.params.is_empty(), "params", "given".to_owned(), "empty for kind `evaluate`")
    }
}
