//! Links from a response that creates a resource to the operations on that resource.

use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr};

use crate::api::http::operation::methods_of;

/// Schema of a response that creates a resource, the property that holds the id, and the path with that id.
const RESOURCES: [(&str, &str, &str); 7] = [
    ("TrainingRun", "id", "/v1/training-runs/{id}"),
    ("TrainResponse", "job_id", "/training-runs/{id}"),
    ("TrainResponse", "job_id", "/jobs/{id}"),
    ("DocumentResponse", "id", "/v1/documents/{id}"),
    ("ImportState", "id", "/v1/imports/{id}"),
    ("ImportReport", "import_id", "/v1/imports/{id}"),
    ("LegacyCsvReport", "import_id", "/v1/imports/{id}"),
];

/// Adds the links to all responses with the status 201 or 202.
pub(super) fn add(document: &mut OpenApi) {
    let mut operations: Vec<(String, String)> = Vec::new();
    for (path, item) in &mut document.paths.paths {
        operations.extend(methods_of(item).filter_map(|(_, operation)| Some((path.clone(), operation.operation_id.clone()?))));
    }
    for (_, operation) in document.paths.paths.values_mut().flat_map(methods_of) {
        for (_, response) in operation.responses.responses.iter_mut().filter(|(status, _)| matches!(status.as_str(), "201" | "202")) {
            let RefOr::T(response) = response else { continue };
            let Some(RefOr::T(Content { schema: Some(schema), .. })) = response.content.get("application/json") else { continue };
            for (resource, property, prefix) in RESOURCES {
                if *schema != RefOr::from(Ref::from_schema_name(resource)) {
                    continue;
                }
                for (_, target) in operations.iter().filter(|(path, _)| is_operation_on(path, prefix)) {
                    let link = LinkBuilder::new().operation_id(target).parameter("id", format!("$response.body#/{property}"));
                    response.links.insert(target.clone(), RefOr::T(link.build()));
                }
            }
        }
    }
}

/// Whether a path is the prefix or below it, and has no other parameter.
fn is_operation_on(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| (rest.is_empty() || rest.starts_with('/')) && !rest.contains('{'))
}
