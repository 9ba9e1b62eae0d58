//! Tests of the generated document: everything in it resolves, is complete and is what the server reads and writes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::PartialSchema;

use crate::api::router::open_api;
use crate::api::{annotations, datasets, documents, ids, imports, models, operations, runs};

fn document() -> Value {
    serde_json::from_str(&open_api().to_json().unwrap()).unwrap()
}

/// Calls `visit` for every object of the document, with its place.
fn walk(value: &Value, place: &str, visit: &mut impl FnMut(&str, &Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(place, object);
            object.iter().for_each(|(key, value)| walk(value, &format!("{place}/{key}"), visit));
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| walk(item, &format!("{place}/{index}"), visit)),
        _ => {}
    }
}

/// The operations of the document: method and path, and the operation.
fn operations() -> BTreeMap<String, Value> {
    let document = document();
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (format!("{method} {path}"), operation.clone()))
        })
        .collect()
}

fn statuses(operation: &Value) -> BTreeSet<u16> {
    operation["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap()).collect()
}

/// Names of the parameters in a place: `path`, `query` or `header`.
fn parameters<'a>(operation: &'a Value, place: &str) -> BTreeSet<&'a str> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    all.filter(|parameter| parameter["in"] == place).map(|parameter| parameter["name"].as_str().unwrap()).collect()
}

#[test]
fn every_reference_resolves() {
    let document = document();
    let mut found = 0;
    walk(&document, "#", &mut |place, object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            found += 1;
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{place}: {reference} does not resolve");
        }
    });
    assert!(found > 300, "{found} references");
}

#[test]
fn every_link_names_an_operation_and_its_path_parameters() {
    let operations = operations();
    let by_id: BTreeMap<&str, &Value> =
        operations.values().map(|operation| (operation["operationId"].as_str().unwrap(), operation)).collect();
    assert_eq!(by_id.len(), operations.len(), "ids of operations are unique");
    let mut found = 0;
    for (name, operation) in &operations {
        walk(operation, name, &mut |place, object| {
            let Some(target) = object.get("operationId").and_then(Value::as_str).filter(|_| place.contains("/links/")) else { return };
            let given: BTreeSet<&str> = object["parameters"].as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(given, parameters(by_id[target], "path"), "{place}");
            found += 1;
        });
    }
    assert!(found > 50, "{found} links");
}

/// Reads every value of an enum as the server reads it, and writes it as the server writes it.
fn round_trip<T: PartialSchema + Serialize + DeserializeOwned>(documented: &mut BTreeSet<String>) {
    let schema = serde_json::to_value(T::schema()).unwrap();
    let values = &schema["enum"];
    for value in values.as_array().unwrap() {
        let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{}: {error}", std::any::type_name::<T>()));
        assert_eq!(serde_json::to_value(read).unwrap(), *value);
    }
    documented.remove(&values.to_string());
}

#[test]
fn every_enum_has_the_values_of_the_wire() {
    let mut documented = BTreeSet::new();
    walk(&document(), "#", &mut |_, object| {
        if let Some(values @ Value::Array(_)) = object.get("enum") {
            documented.insert(values.to_string());
        }
    });
    assert!(documented.len() > 20);
    round_trip::<aprendiz_annotation_types::Cardinality>(&mut documented);
    round_trip::<aprendiz_annotation_types::Case>(&mut documented);
    round_trip::<aprendiz_annotation_types::FieldKind>(&mut documented);
    round_trip::<aprendiz_annotation_types::ReviewStatus>(&mut documented);
    round_trip::<aprendiz_annotations::Split>(&mut documented);
    round_trip::<aprendiz_annotations::import::ImportStatus>(&mut documented);
    round_trip::<aprendiz_annotations::reviews::WaitingOrder>(&mut documented);
    round_trip::<aprendiz_annotations::import::Stage>(&mut documented);
    round_trip::<aprendiz_dataset::Split>(&mut documented);
    round_trip::<aprendiz_dataset::inspect::ChangeKind>(&mut documented);
    round_trip::<aprendiz_dataset::inspect::Verdict>(&mut documented);
    round_trip::<aprendiz_evaluation::FieldOutcome>(&mut documented);
    round_trip::<aprendiz_evaluation::GateDecision>(&mut documented);
    round_trip::<aprendiz_evaluation::GateMetric>(&mut documented);
    round_trip::<aprendiz_run_spec::Backend>(&mut documented);
    round_trip::<aprendiz_run_spec::PairsOf>(&mut documented);
    round_trip::<aprendiz_run_spec::ParamType>(&mut documented);
    round_trip::<aprendiz_run_spec::RunKind>(&mut documented);
    round_trip::<aprendiz_runs::AliasAction>(&mut documented);
    round_trip::<aprendiz_runs::AttemptStatus>(&mut documented);
    round_trip::<aprendiz_runs::EventKind>(&mut documented);
    round_trip::<aprendiz_runs::FirstVersion>(&mut documented);
    round_trip::<aprendiz_runs::PromotionPolicy>(&mut documented);
    round_trip::<aprendiz_runs::Role>(&mut documented);
    round_trip::<aprendiz_runs::RunPhase>(&mut documented);
    round_trip::<aprendiz_runs::RunStatus>(&mut documented);
    round_trip::<aprendiz_runs::SweepRole>(&mut documented);
    round_trip::<aprendiz_runs::VerificationResult>(&mut documented);
    round_trip::<aprendiz_runs::WorkerState>(&mut documented);
    round_trip::<annotations::export::ExportFormat>(&mut documented);
    round_trip::<datasets::download::Format>(&mut documented);
    round_trip::<datasets::download::SplitName>(&mut documented);
    round_trip::<datasets::verify::FileState>(&mut documented);
    round_trip::<documents::search::Place>(&mut documented);
    round_trip::<ids::IdKind>(&mut documented);
    round_trip::<imports::options::GroundTruth>(&mut documented);
    round_trip::<models::field_target::TargetStatus>(&mut documented);
    round_trip::<models::comparison::exclusions::ComparedSideName>(&mut documented);
    round_trip::<models::comparison::exclusions::ComparisonExclusionReason>(&mut documented);
    round_trip::<models::download::Format>(&mut documented);
    round_trip::<models::predict::Decision>(&mut documented);
    round_trip::<models::promotion_requests::RequestState>(&mut documented);
    round_trip::<operations::check::HealthState>(&mut documented);
    round_trip::<runs::errors::EvaluatedSplit>(&mut documented);
    round_trip::<runs::errors::Sort>(&mut documented);
    round_trip::<runs::events::Format>(&mut documented);
    round_trip::<runs::list::Direction>(&mut documented);
    round_trip::<runs::retry::RetriableStatus>(&mut documented);
    assert!(documented.is_empty(), "add the types of these enums to this test: {documented:?}");
}

/// Extractors describe themselves (see `http/operation.rs`); this checks that every route uses the macro that asks them.
#[test]
fn every_operation_documents_the_problems_of_its_extractors() {
    for (name, operation) in operations() {
        let found = statuses(&operation);
        let expect = |statuses: &[u16]| {
            for status in statuses {
                assert!(found.contains(status), "{name} does not document {status}: declare it with `http::operation::routes!`");
            }
        };
        let role = operation["security"][0]["api_key"][0].as_str();
        let no_key = ["get /healthz", "get /readyz", "get /health", "get /metrics", "get /openapi.json"];
        let sessions_only = ["get /v1/session", "delete /v1/session"];
        let is_sign_in = name == "post /v1/session";
        let with_provider = ["get /v1/session/providers", "get /auth/oidc/start", "get /auth/oidc/callback"];
        let no_key = [&no_key[..], &with_provider].concat();
        assert_eq!(role.is_none(), is_sign_in || no_key.contains(&name.as_str()) || sessions_only.contains(&name.as_str()), "{name}");
        if is_sign_in || sessions_only.contains(&name.as_str()) {
            expect(&[401, 429, 500, 503]);
            assert_eq!(operation["security"][0]["session_cookie"].is_null(), is_sign_in, "{name}");
        }
        if let Some(role) = role {
            expect(&[401, 429, 500, 503]);
            // a change by a session without its token; a key that is limited to projects is refused by some reads as well
            if role != "viewer" || !name.starts_with("get ") {
                expect(&[403]);
            }
            assert_eq!(operation["security"][1]["api_key_header"][0], role, "{name}");
            assert_eq!(operation["security"][2]["session_cookie"][0], role, "{name}");
        }
        // a NUL in the query
        expect(&[422]);
        match &operation["requestBody"]["content"] {
            Value::Null => {}
            _ => expect(&[400, 408, 413]),
        }
        let headers = parameters(&operation, "header");
        for (header, statuses) in [
            ("Range", &[206, 304, 416][..]),
            ("If-Match", &[400, 412, 428][..]),
            ("Idempotency-Key", &[422][..]),
            ("Last-Event-ID", &[422][..]),
        ] {
            if headers.contains(header) {
                expect(statuses);
            }
        }
    }
}

#[test]
fn every_error_is_a_problem() {
    for (name, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(!response["description"].as_str().unwrap().is_empty(), "{name} {status}");
            let is_health = status == "503" && response["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/Health";
            if status.as_str() >= "400" && !is_health {
                assert_eq!(
                    response["content"]["application/problem+json"]["schema"]["$ref"], "#/components/schemas/Problem",
                    "{name} {status}"
                );
                assert_eq!(response["content"].as_object().unwrap().len(), 1, "{name} {status}");
                let is_temporary = status == "429" || status == "503";
                assert_eq!(response["headers"]["Retry-After"].is_object(), is_temporary, "{name} {status}");
            }
        }
    }
}

#[test]
fn streams_and_files_are_declared_as_such() {
    let operations = operations();
    let content =
        |name: &str| operations[name]["responses"]["200"]["content"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert!(content("get /v1/training-runs/{id}/events").contains("text/event-stream"));
    assert!(content("get /v1/annotations/export").contains("application/x-ndjson"));
    for name in ["get /v1/training-runs/{id}/model", "get /v1/training-runs/{id}/dataset"] {
        assert!(content(name).contains("application/x-tar"), "{name}");
        let schema = &operations[name]["responses"]["200"]["content"]["application/x-tar"]["schema"];
        assert_eq!(schema["type"], "string", "{name}");
        assert_eq!(schema["format"], "binary", "{name}");
    }
}
