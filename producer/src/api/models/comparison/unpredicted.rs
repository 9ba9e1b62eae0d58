//! Test documents that only one side of a comparison predicted, and the evaluation runs that make them comparable.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aprendiz_dataset::Split;
use aprendiz_dataset::inspect::splits_in_snapshot;
use aprendiz_db::Database;
use aprendiz_runs::ModelVersion;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::http::error::ApiError;
use crate::api::models::comparison::examples::PredictionsByField;
use crate::api::models::comparison::exclusions::{ComparedSideName, ComparisonExclusion, ComparisonExclusionReason};

/// Documents whose membership one connection looks up; others can use it in between.
const BATCH: usize = 1_000;

/// An evaluation run that makes more documents comparable.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SuggestedEvaluation {
    /// The side whose version lacks predictions.
    pub(crate) side: ComparedSideName,
    /// Name of the model.
    pub(crate) model: String,
    /// Number of the version.
    pub(crate) number: i32,
    /// Number of documents that become comparable.
    pub(crate) documents: usize,
    /// Number of them by field.
    pub(crate) fields: BTreeMap<String, usize>,
    /// The same in a sentence.
    pub(crate) message: String,
    /// Path of the request, which is a POST.
    pub(crate) path: &'static str,
    /// Body of the request.
    #[schema(value_type = Object)]
    pub(crate) body: Value,
    /// The same on the command line.
    pub(crate) command: String,
}

/// A version as one side of a comparison.
#[derive(Clone, Copy)]
pub(super) struct VersionSide<'a> {
    pub(super) name: ComparedSideName,
    pub(super) version: &'a ModelVersion,
    /// Position of its latest evaluation that was used.
    pub(super) evaluated_at: Option<i64>,
}

/// What one side lacks.
#[derive(Debug, Default)]
pub(super) struct Unpredicted {
    /// Number of documents by field that an evaluation run makes comparable.
    pub(super) fields: BTreeMap<String, usize>,
    /// Number of these documents.
    documents: usize,
    pub(super) exclusions: Vec<ComparisonExclusion>,
}

impl Unpredicted {
    /// The evaluation run that makes the documents comparable; `None` if there are none, or if the version is retired.
    pub(super) fn suggestion(&self, side: VersionSide<'_>) -> Option<SuggestedEvaluation> {
        let ModelVersion { model, number, retired_at, .. } = side.version;
        (self.documents > 0 && retired_at.is_none()).then(|| suggest(side.name, model, *number, self.documents, self.fields.clone()))
    }
}

/// Finds what one side lacks. The documents of `other` are test documents of its version, or were evaluated by it, so that it was neither
/// trained nor selected on them.
pub(super) async fn find_unpredicted(
    database: &Database,
    side: VersionSide<'_>,
    own: &PredictionsByField,
    other: &PredictionsByField,
) -> Result<Unpredicted, ApiError> {
    let documents: BTreeSet<Uuid> = missing(own, other).into_iter().map(|(_, document, _)| document).collect();
    let documents: Vec<Uuid> = documents.into_iter().collect();
    let mut splits = HashMap::new();
    for batch in documents.chunks(BATCH) {
        splits.extend(splits_in_snapshot(&mut *database.read().await?, side.version.dataset_id.0, batch).await?);
    }
    Ok(judge(side.name, side.evaluated_at, own, other, &splits))
}

/// Field, document and position of the predictions that only the other side has, for the fields of both.
fn missing<'a>(own: &PredictionsByField, other: &'a PredictionsByField) -> Vec<(&'a str, Uuid, i64)> {
    let mut missing = Vec::new();
    for (field, predicted) in other {
        let Some(known) = own.get(field) else { continue };
        let lacking = predicted.iter().filter(|(document, _)| !known.contains_key(*document));
        missing.extend(lacking.map(|(document, prediction)| (field.as_str(), *document, prediction.position)));
    }
    missing
}

fn judge(
    side: ComparedSideName,
    evaluated_at: Option<i64>,
    own: &PredictionsByField,
    other: &PredictionsByField,
    splits: &HashMap<Uuid, Split>,
) -> Unpredicted {
    let mut fields: BTreeMap<String, usize> = BTreeMap::new();
    let mut documents = BTreeSet::new();
    let mut excluded: BTreeMap<ComparisonExclusionReason, BTreeSet<Uuid>> = BTreeMap::new();
    for (field, document, position) in missing(own, other) {
        let reason = match splits.get(&document) {
            Some(Split::Train) => ComparisonExclusionReason::Trained,
            Some(Split::Validation) => ComparisonExclusionReason::Selected,
            // another evaluation would not predict them either
            _ if evaluated_at.is_some_and(|at| at >= position) => ComparisonExclusionReason::NotInEvaluation,
            _ => {
                *fields.entry(field.to_owned()).or_default() += 1;
                documents.insert(document);
                continue;
            }
        };
        excluded.entry(reason).or_default().insert(document);
    }
    let exclusion = |(reason, documents): (ComparisonExclusionReason, BTreeSet<Uuid>)| ComparisonExclusion {
        side,
        reason,
        documents: Some(documents.len()),
        run_id: None,
    };
    Unpredicted { fields, documents: documents.len(), exclusions: excluded.into_iter().map(exclusion).collect() }
}

fn suggest(side: ComparedSideName, model: &str, number: i32, documents: usize, fields: BTreeMap<String, usize>) -> SuggestedEvaluation {
    let (have, them) = if documents == 1 { ("document has", "it") } else { ("documents have", "them") };
    let message = format!(
        "{documents} test {have} no prediction of {model} version {number}, which was neither trained nor selected on {them}: an \
         evaluation run makes {them} comparable"
    );
    SuggestedEvaluation {
        side,
        model: model.to_owned(),
        number,
        documents,
        fields,
        message,
        path: "/v1/training-runs",
        body: json!({ "kind": "evaluate", "model": model, "model_version": number }),
        command: format!("aprendiz eval --model {model} --number {number} --wait"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::models::comparison::examples::{ChangedThresholds, parse_predictions};

    fn predictions(position: i64, lines: &[(u128, &str)]) -> PredictionsByField {
        let line = |(document, field): &(u128, &str)| {
            let document_id = Uuid::from_u128(*document);
            json!({ "document_id": document_id, "field": field, "gold": "a", "value": "a", "confidence": 0.6, "answered": true })
                .to_string()
        };
        let lines: Vec<String> = lines.iter().map(line).collect();
        parse_predictions(lines.join("\n").as_bytes(), &ChangedThresholds::new(), position, None).unwrap()
    }

    #[test]
    fn documents_that_a_version_does_not_know_need_an_evaluation_and_the_others_are_excluded() {
        let own = predictions(3, &[(1, "law"), (1, "kind")]);
        let other = predictions(8, &[(1, "law"), (2, "law"), (2, "kind"), (3, "law"), (4, "law"), (5, "party")]);
        let splits = HashMap::from([(Uuid::from_u128(3), Split::Train), (Uuid::from_u128(4), Split::Validation)]);
        let lacking = judge(ComparedSideName::Baseline, None, &own, &other, &splits);
        assert_eq!(lacking.fields, BTreeMap::from([("kind".to_owned(), 1), ("law".to_owned(), 1)]));
        let reasons: Vec<_> = lacking.exclusions.iter().map(|exclusion| (exclusion.reason, exclusion.documents)).collect();
        assert_eq!(reasons, [(ComparisonExclusionReason::Trained, Some(1)), (ComparisonExclusionReason::Selected, Some(1))]);
        assert_eq!(lacking.documents, 1);

        // the latest evaluation already has the state of the other side
        let evaluated = judge(ComparedSideName::Baseline, Some(8), &own, &other, &splits);
        assert!(evaluated.fields.is_empty() && evaluated.documents == 0);
        assert!(evaluated.exclusions.iter().any(|exclusion| exclusion.reason == ComparisonExclusionReason::NotInEvaluation));
    }

    #[test]
    fn a_suggestion_has_the_request_and_the_command() {
        let suggested = suggest(ComparedSideName::Baseline, "contracts", 2, 1, BTreeMap::from([("law".to_owned(), 1)]));
        assert_eq!(suggested.command, "aprendiz eval --model contracts --number 2 --wait");
        assert_eq!(suggested.body, json!({ "kind": "evaluate", "model": "contracts", "model_version": 2 }));
        assert!(suggested.message.starts_with("1 test document has no prediction"), "{}", suggested.message);
    }
}
