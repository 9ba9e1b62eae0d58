//! Stored predictions of the extractor for the test documents of a version.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aprendiz_annotation_types::comparable;
use aprendiz_dataset::{StoredPrediction, stored_predictions};
use aprendiz_db::Database;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::api::http::error::ApiError;
use crate::api::models::comparison::examples::{PredictionsByField, TestPrediction, TestPredictions};

/// Documents per query.
const BATCH: usize = 1000;

/// The predictions of the extractor, and the versions that made them.
pub(super) struct ExtractorPredictions {
    pub(super) predictions: TestPredictions,
    pub(super) versions: BTreeSet<String>,
}

/// Reads what the extractor predicted for the test documents of a version, among the predictions stored until `until`.
pub(super) async fn load_extractor(
    database: &Database,
    version: &TestPredictions,
    until: DateTime<Utc>,
) -> Result<ExtractorPredictions, ApiError> {
    let names: Vec<String> = version.fields.keys().cloned().collect();
    let documents: Vec<Uuid> = version.documents().into_iter().collect();
    let mut stored = HashMap::new();
    let mut versions = BTreeSet::new();
    for batch in documents.chunks(BATCH) {
        // a connection per batch: others can use it in between
        let mut conn = database.read().await?;
        for prediction in stored_predictions(&mut conn, batch, &names, until).await? {
            versions.insert(prediction.extractor_version.clone());
            stored.insert((prediction.field.clone(), prediction.document_id), prediction);
        }
    }
    let predictions = TestPredictions { config: version.config.clone(), fields: predict(&version.fields, &stored) };
    Ok(ExtractorPredictions { predictions, versions })
}

/// What the extractor predicts for the test documents of the version. A field without any stored prediction is left out; a document without
/// one has no value, and the extractor does not answer there.
fn predict(version: &PredictionsByField, stored: &HashMap<(String, Uuid), StoredPrediction>) -> PredictionsByField {
    let mut fields = BTreeMap::new();
    for (field, tested) in version {
        if !tested.keys().any(|document| stored.contains_key(&(field.clone(), *document))) {
            continue;
        }
        // the extractor may write a class in another form than the accepted values
        let written: HashMap<String, &String> = tested
            .values()
            .flat_map(|prediction| [&prediction.gold, &prediction.value])
            .flatten()
            .map(|label| (comparable(label).into_owned(), label))
            .collect();
        let of_document = |(document, tested): (&Uuid, &TestPrediction)| {
            let found = stored.get(&(field.clone(), *document));
            let label = found.and_then(StoredPrediction::label);
            let value = label.map(|label| written.get(&label).map_or(label, |written| (*written).clone()));
            let prediction = TestPrediction {
                document_id: *document,
                group: tested.group.clone(),
                field: field.clone(),
                gold: tested.gold.clone(),
                answered: value.is_some(),
                value,
                confidence: found.and_then(|found| found.confidence),
                no_known_feature: false,
                position: tested.position,
                evaluation: None,
            };
            (*document, prediction)
        };
        fields.insert(field.clone(), tested.iter().map(of_document).collect());
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(tested: &[(&str, u128, &str)]) -> PredictionsByField {
        let mut fields: PredictionsByField = BTreeMap::new();
        for (field, document, gold) in tested {
            let document_id = Uuid::from_u128(*document);
            let prediction = TestPrediction {
                document_id,
                group: None,
                field: (*field).to_owned(),
                gold: Some((*gold).to_owned()),
                value: None,
                confidence: Some(0.5),
                answered: false,
                no_known_feature: false,
                position: 1,
                evaluation: None,
            };
            fields.entry((*field).to_owned()).or_default().insert(document_id, prediction);
        }
        fields
    }

    #[test]
    fn a_missing_prediction_is_no_value_and_a_field_without_any_is_left_out() {
        let tested = version(&[("law", 1, "New  York"), ("law", 2, "Texas"), ("type", 1, "lease")]);
        let stored = StoredPrediction {
            document_id: Uuid::from_u128(1),
            field: "law".to_owned(),
            extractor_version: "1".to_owned(),
            value: vec!["New York".to_owned()],
            confidence: None,
        };
        let stored = HashMap::from([(("law".to_owned(), Uuid::from_u128(1)), stored)]);
        let predicted = predict(&tested, &stored);
        assert_eq!(predicted.keys().collect::<Vec<_>>(), ["law"]);
        let of = |document| &predicted["law"][&Uuid::from_u128(document)];
        // written like the accepted value, which differs in its form only
        assert_eq!((of(1).value.as_deref(), of(1).answered), (Some("New  York"), true));
        assert_eq!((of(2).value.as_deref(), of(2).answered), (None, false));
    }
}
