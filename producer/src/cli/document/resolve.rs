//! Document arguments: an ID, or SOURCE/PROJECT/TASK.

use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::Client;

/// Resolves a document argument to the document ID.
pub(crate) async fn resolve_id(client: &Client, document: &str) -> Result<String, CliError> {
    if Uuid::parse_str(document).is_ok() {
        return Ok(document.to_owned());
    }
    let Some((source, project, task)) = split_name(document) else {
        return Err(CliError::Usage(format!(
            "invalid document `{document}`: expected a document ID or SOURCE/PROJECT/TASK, such as label-studio/7/302"
        )));
    };
    let request = client.request(Method::GET, &["v1", "documents"]).query(&[("source", source), ("project", project), ("task_id", task)]);
    let page: Value = client.json(request).await?;
    match page["items"][0]["id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => Err(CliError::Refused(format!("document {document} not found: `aprendiz document list` lists documents"))),
    }
}

/// Splits SOURCE/PROJECT/TASK. A project may contain slashes.
fn split_name(name: &str) -> Option<(&str, &str, &str)> {
    let (source, rest) = name.split_once('/')?;
    let (project, task) = rest.rsplit_once('/')?;
    (!source.is_empty() && !project.is_empty() && !task.is_empty()).then_some((source, project, task))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_names_are_split_into_source_project_and_task() {
        assert_eq!(split_name("label-studio/7/302"), Some(("label-studio", "7", "302")));
        assert_eq!(split_name("label-studio/a/b/302"), Some(("label-studio", "a/b", "302")));
        assert_eq!(split_name("label-studio/302"), None);
        assert_eq!(split_name("/7/302"), None);
    }
}
