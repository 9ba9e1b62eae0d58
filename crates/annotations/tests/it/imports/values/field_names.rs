//! Names of fields: the same field from an export and from a review file; a name that cannot be used costs only its own values.

use aprendiz_annotations::fields::{Cardinality, FieldDefinition, FieldKind, declare};
use serde_json::json;

use crate::database::{count, import, is, state, with_database};
use crate::imports::csv::legacy_csv::{csv, csv_with, options};
use crate::task_builders::{annotation, file, prediction, reviewed, task};

const EXPORT: &str = include_str!("../../../fixtures/cases/names-with-blanks-and-letters/export.json");
const REVIEW: &str = include_str!("../../../fixtures/cases/names-with-blanks-and-letters/review.csv");
const NAMES_IN_FILES: &str = include_str!("../../../fixtures/cases/field-names-in-files/export.json");

#[tokio::test(flavor = "multi_thread")]
async fn labels_with_blanks_and_letters_become_the_fields_of_the_review_file() {
    with_database(|pool| async move {
        let report = import(&pool, EXPORT).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (5, 0), "{report:?}");
        let renamed: Vec<(&str, &str)> = report.renamed_fields.iter().map(|(name, field)| (name.as_str(), field.as_str())).collect();
        assert_eq!(
            renamed,
            [
                ("Contract Type", "contract_type"),
                ("Data de início", "data_de_inicio"),
                ("Governing Law", "governing_law"),
                ("Supplier Name", "supplier_name"),
            ]
        );
        for task in ["701", "702", "703", "704", "705"] {
            assert_eq!(state(&pool, task, "kind").await.1.unwrap(), ["supply"], "{task}");
        }
        assert_eq!(state(&pool, "701", "supplier_name").await.1.unwrap(), ["Quarry Ltd"]);
        assert_eq!(state(&pool, "702", "data_de_inicio").await.1.unwrap(), ["2025-01-01"]);
        assert_eq!(state(&pool, "704", "contract_type").await.1.unwrap(), ["supply"]);
        let unusable: Vec<&String> = report.warnings.iter().filter(|warning| warning.contains("cannot name a field")).collect();
        assert_eq!(unusable.len(), 1, "{:?}", report.warnings);
        assert!(
            unusable[0].contains("`适用法律`") && unusable[0].contains("1 result was") && unusable[0].contains("task 703"),
            "{unusable:?}"
        );

        let mut options = options();
        options.project = Some("71".to_owned());
        // after the annotation, which decided that the field has no value
        options.reviewed_at = "2025-04-01T00:00:00Z".parse().unwrap();
        let report = csv_with(&pool, REVIEW, &options).await.unwrap();
        assert_eq!((report.rows_matched, report.quarantined), (1, 0), "{report:?}");
        assert_eq!(report.columns.keys().collect::<Vec<_>>(), ["data_de_inicio", "governing_law"]);
        assert!(report.new_fields.is_empty(), "the fields of the export: {report:?}");
        assert!(report.warnings.iter().any(|warning| warning.contains("`适用法律_gold`")), "{report:?}");
        assert_eq!(state(&pool, "705", "data_de_inicio").await.1.unwrap(), ["2025-01-01"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_name_costs_neither_other_fields_nor_other_annotations() {
    with_database(|pool| async move {
        let mut predicted = reviewed(1, &[("law", "Texas")]);
        predicted["predictions"] = json!([prediction(1, "v1", "2024-01-01T00:00:00Z", &[("Закон 2", "x"), ("law", "Texas")])]);
        let mut superseded = task(2);
        superseded["annotations"] = json!([
            annotation(21, "2024-01-01T00:00:00Z", &[("合同", "x"), ("law", "Ohio")]),
            annotation(22, "2024-02-01T00:00:00Z", &[("law", "Texas")]),
        ]);
        let named = reviewed(3, &[("Governing  Law!", "Texas"), ("law", "Utah")]);
        let long = reviewed(4, &[(&"name ".repeat(40), "x"), ("law", "Utah")]);
        let report = import(&pool, file(&[predicted, superseded, named, long])).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (4, 0), "{report:?}");
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["Texas"]), Some(&["Texas"]), "OK", 1));
        assert_eq!(state(&pool, "2", "law").await.1.unwrap(), ["Texas"]);
        assert_eq!(state(&pool, "3", "governing_law").await.1.unwrap(), ["Texas"]);
        assert_eq!(state(&pool, "4", "law").await.1.unwrap(), ["Utah"]);
        let unusable = report.warnings.iter().filter(|warning| warning.contains("cannot name a field")).count();
        assert_eq!(unusable, 3, "{:?}", report.warnings);
        assert_eq!(count(&pool, "SELECT count(*) FROM fields").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_spelling_belongs_to_the_known_field() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("Governing-Law", "Texas")])])).await.unwrap();
        let report = import(&pool, file(&[reviewed(2, &[("Governing Law", "Ohio")])])).await.unwrap();
        assert_eq!(report.renamed_fields["Governing Law"], "Governing-Law");
        assert!(report.new_fields.is_empty());
        let report = csv(&pool, "task_id,governing law_gold\n1,Utah\n").await.unwrap();
        assert_eq!(report.columns.keys().collect::<Vec<_>>(), ["Governing-Law"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_differ_only_in_case_are_named() {
    with_database(|pool| async move {
        let report = import(&pool, NAMES_IN_FILES).await.unwrap();
        assert_eq!(report.quarantined, 0, "{report:?}");
        let similar: Vec<&String> = report.warnings.iter().filter(|warning| warning.contains("differ only in case")).collect();
        assert_eq!(similar.len(), 1, "{:?}", report.warnings);
        assert!(similar[0].contains("`Party`, `party`") && similar[0].contains("DuckDB"), "{similar:?}");
        // contract, contract.type and contract:law are three fields
        assert_eq!(count(&pool, "SELECT count(*) FROM fields WHERE name LIKE 'contract%'").await, 3);
        // a column finds the field with exactly its name
        let report = csv(&pool, "task_id,Party_gold\n19000,Harbour\n").await.unwrap();
        assert_eq!(report.columns.keys().collect::<Vec<_>>(), ["Party"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_field_must_differ_from_others_in_more_than_case() {
    with_database(|pool| async move {
        let definition =
            FieldDefinition { kind: FieldKind::Text, cardinality: Cardinality::One, allowed_values: None, normalization: None };
        let mut conn = pool.acquire().await.unwrap();
        declare(&mut conn, "Party", &definition, None, "test").await.unwrap();
        declare(&mut conn, "Party", &definition, None, "test").await.unwrap();
        let error = declare(&mut conn, "party", &definition, None, "test").await.unwrap_err().to_string();
        assert!(error.contains("`Party`") && error.contains("only in case"), "{error}");
        declare(&mut conn, "parties", &definition, None, "test").await.unwrap();
    })
    .await;
}
