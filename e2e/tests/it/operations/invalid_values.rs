//! Invalid parameters in the path and the query, and arrays in place of objects, at every route of the OpenAPI document.

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::fixture::{TestApp, expect_json, text};

const ID: &str = "019aa2c8-0000-7000-8000-000000000000";

/// An operation of the document.
struct Operation {
    method: Method,
    path: String,
    description: Value,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn parameters(&self, place: &str) -> Vec<&Value> {
        self.description["parameters"].as_array().into_iter().flatten().filter(|parameter| parameter["in"] == place).collect()
    }

    /// The path, in which one parameter has this value and the others are valid.
    fn path_with(&self, name: &str, value: &str) -> String {
        self.parameters("path").into_iter().fold(self.path.clone(), |path, parameter| {
            let parameter = text(&parameter["name"]);
            let valid = match parameter.as_str() {
                "id" | "other" => ID,
                "number" => "1",
                _ => "law",
            };
            path.replace(&format!("{{{parameter}}}"), if parameter == name { value } else { valid })
        })
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (name, description) in methods.as_object().unwrap() {
            let Ok(method) = name.to_uppercase().parse::<Method>() else { continue };
            found.push(Operation { method, path: path.clone(), description: description.clone() });
        }
    }
    found
}

/// Whether not every text is a value of the schema.
fn is_checked(schema: &Value) -> bool {
    let types = &schema["type"];
    let is = |name: &str| types == name || types.as_array().is_some_and(|types| types.iter().any(|one| one == name));
    is("integer") || is("boolean") || schema["format"] == "uuid" || schema["enum"].is_array()
}

/// Words of the language that the server is written in; no client knows them.
fn has_internal_words(detail: &str) -> bool {
    ["i32", "i64", "u32", "u64", "usize", "found `", "parsing", "invalid digit", "struct"].iter().any(|word| detail.contains(word))
}

#[tokio::test]
async fn an_invalid_parameter_is_named_with_its_value_and_what_is_expected() {
    let app = TestApp::start().await;
    let document = app.api().json("/openapi.json").await;
    let (mut in_paths, mut in_queries) = (0, 0);
    for operation in operations(&document) {
        let place = operation.name();
        for parameter in operation.parameters("path") {
            let name = text(&parameter["name"]);
            if !is_checked(&parameter["schema"]) {
                continue;
            }
            for value in ["nope", "99999999999999999999"] {
                let problem = expect_json(app.api().request(operation.method.clone(), &operation.path_with(&name, value)), 422).await;
                let detail = text(&problem["detail"]);
                assert_eq!(problem["code"], "invalid_path", "{place}: {problem}");
                assert!(detail.starts_with(&format!("`{name}` is `{value}`: expected ")), "{place}: {detail}");
                assert!(!has_internal_words(&detail), "{place}: {detail}");
                in_paths += 1;
            }
        }
        for parameter in operation.parameters("query") {
            let name = text(&parameter["name"]);
            if !is_checked(&parameter["schema"]) {
                continue;
            }
            let path = format!("{}?{name}=nope", operation.path_with("", ""));
            let problem = expect_json(app.api().request(operation.method.clone(), &path), 422).await;
            let detail = text(&problem["detail"]);
            assert_eq!(problem["code"], "invalid_query", "{place}: {problem}");
            assert!(detail.starts_with(&format!("`{name}` is `nope`: expected ")), "{place}: {detail}");
            assert!(!has_internal_words(&detail), "{place}: {detail}");
            in_queries += 1;
        }
    }
    assert!(in_paths >= 50 && in_queries >= 30, "{in_paths} and {in_queries}");
    app.finish().await;
}

/// The properties of an object, also if it is referred to or may be null.
fn properties<'a>(document: &'a Value, schema: &'a Value) -> Option<&'a Map<String, Value>> {
    if let Some(reference) = schema["$ref"].as_str() {
        return properties(document, document.pointer(reference.trim_start_matches('#'))?);
    }
    let alternatives = schema["oneOf"].as_array().or_else(|| schema["allOf"].as_array());
    if let Some(alternatives) = alternatives {
        return alternatives.iter().find_map(|schema| properties(document, schema));
    }
    schema["properties"].as_object()
}

#[tokio::test]
async fn an_array_is_no_object_in_any_body() {
    let app = TestApp::start().await;
    let document = app.api().json("/openapi.json").await;
    let (mut bodies, mut nested) = (0, 0);
    for operation in operations(&document) {
        let content = &operation.description["requestBody"]["content"]["application/json"];
        let Some(keys) = properties(&document, &content["schema"]) else { continue };
        let path = operation.path_with("", "");
        let place = operation.name();
        let problem = expect_json(app.api().request(operation.method.clone(), &path).json(&json!([])), 422).await;
        assert_eq!(problem["code"], "invalid_body", "{place}: {problem}");
        assert!(text(&problem["detail"]).contains("object"), "{place}: {problem}");
        bodies += 1;
        for (key, schema) in keys {
            if properties(&document, schema).is_none() {
                continue;
            }
            let problem = expect_json(app.api().request(operation.method.clone(), &path).json(&json!({ key: [] })), 422).await;
            let detail = text(&problem["detail"]);
            assert!(detail.contains(&format!("/{key}: expected an object, found array")), "{place}: {detail}");
            nested += 1;
        }
    }
    assert!(bodies > 10 && nested > 1, "{bodies} and {nested}");
    app.finish().await;
}

#[tokio::test]
async fn a_run_cannot_be_postponed_for_ever() {
    let app = TestApp::start().await;
    let spec = json!({ "model": "m", "run_after": "9999-01-01T00:00:00Z" });
    let problem = expect_json(app.api().post("/v1/training-runs").json(&spec), 422).await;
    assert!(problem["code"] == "invalid_spec" && text(&problem["detail"]).contains("at most a hundred years from now"), "{problem}");
    app.finish().await;
}
