//! Requests of the API that do the same as the commands in next steps, for people without the command line.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A command that a next step names, and the same as a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EquivalentRequest {
    /// The command as it stands in the next step.
    pub command: String,
    /// Method and path, and the JSON body if there is one.
    pub request: String,
}

/// The requests for all commands in these sentences, without repetitions. Commands of a host, such as `aprendiz serve`, have none.
#[must_use]
pub fn equivalent_requests(next_steps: &[String]) -> Vec<EquivalentRequest> {
    let mut found: Vec<EquivalentRequest> = Vec::new();
    for step in next_steps {
        for (start, name) in step.match_indices("aprendiz ") {
            let rest = &step[start + name.len()..];
            let end = rest.find([';', ',', ')', '(', ':', '`', '"']).unwrap_or(rest.len());
            let words: Vec<&str> = rest[..end].split_whitespace().collect();
            if let Some((used, request)) = request(&words) {
                let command = format!("aprendiz {}", words[..used].join(" "));
                if !found.iter().any(|known| known.command == command) {
                    found.push(EquivalentRequest { command, request });
                }
            }
        }
    }
    found
}

/// The request for a command, and the number of its words; `None` if there is no such request.
fn request(words: &[&str]) -> Option<(usize, String)> {
    Some(match words {
        ["run", "list", "--parent", id, ..] => (4, format!("GET /v1/training-runs?parent={id}")),
        // the sentence says of which run
        ["run", "explain", ..] => (2, "GET /v1/training-runs/{id}/explain".to_owned()),
        ["run", "errors", id, ..] => (3, format!("GET /v1/training-runs/{id}/errors")),
        ["run", "get", id, ..] => (3, format!("GET /v1/training-runs/{id}")),
        ["run", "logs" | "watch", id, ..] => (3, format!("GET /v1/training-runs/{id}/events")),
        ["run", "retry", id, ..] => (3, format!("POST /v1/training-runs/{id}/retry")),
        ["run", "cancel", id, ..] => (3, format!("POST /v1/training-runs/{id}/cancel")),
        ["run", "clone", id, "--set", change, ..] => {
            let body = json!({ "changes": changes(change)? });
            (5, format!("POST /v1/training-runs/{id}/clone {body}"))
        }
        ["queue", "set", name, option, value, ..] => {
            let limit = value.parse::<i64>().ok();
            let key = option.trim_start_matches('-').replace('-', "_");
            (5, format!("PUT /v1/queues/{name} {}", json!({ key: limit })))
        }
        ["worker", "list", "--all", ..] => (3, "GET /v1/workers?all=true".to_owned()),
        ["worker", "list", ..] => (2, "GET /v1/workers".to_owned()),
        ["field", "list", ..] => (2, "GET /v1/fields".to_owned()),
        ["annotations", "waiting", "--order", order, "--extractor", version, ..] => {
            (6, format!("GET /v1/annotations/waiting?order={order}&extractor_version={version}"))
        }
        ["annotations", "export", "--format", format, "--extractor", version, ..] => {
            (6, format!("GET /v1/annotations/export?format={format}&extractor_version={version}"))
        }
        ["annotations", "export", ..] => (2, "GET /v1/annotations/export".to_owned()),
        ["document", "index", ..] => (2, "POST /v1/documents/index".to_owned()),
        ["model", "download", name, "--number", number, ..] => (5, format!("GET /v1/models/{name}/versions/{number}/download")),
        ["model", "compare", name, "--baseline", number, ..] => (5, format!("GET /v1/models/{name}/compare?baseline={number}")),
        ["model", "versions", name, ..] => (3, format!("GET /v1/models/{name}/versions")),
        ["dataset", "download", run, ..] => (3, format!("GET /v1/training-runs/{run}/dataset")),
        // the command finds the snapshot of a run
        ["dataset", "verify", _, ..] => (3, "POST /v1/datasets/{id}/verify with the dataset_id of the run".to_owned()),
        ["doctor", ..] => (1, "GET /readyz".to_owned()),
        _ => return None,
    })
}

/// The merge patch of a change such as `params.l2=0.1`.
fn changes(change: &str) -> Option<Value> {
    let (path, value) = change.split_once('=')?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Some(path.rsplit('.').fold(value, |value, key| json!({ key: value })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(step: &str) -> Vec<(String, String)> {
        equivalent_requests(&[step.to_owned()]).into_iter().map(|found| (found.command, found.request)).collect()
    }

    #[test]
    fn commands_in_a_sentence_become_requests() {
        let step = "check the host, then: aprendiz run retry 7; or use less: aprendiz run clone 7 --set params.l2=0.1 (aprendiz worker \
                    list --all)";
        let expected = [
            ("aprendiz run retry 7", "POST /v1/training-runs/7/retry"),
            ("aprendiz run clone 7 --set params.l2=0.1", r#"POST /v1/training-runs/7/clone {"changes":{"params":{"l2":0.1}}}"#),
            ("aprendiz worker list --all", "GET /v1/workers?all=true"),
        ];
        assert_eq!(requests(step), expected.map(|(command, request)| (command.to_owned(), request.to_owned())));
        let named = requests("aprendiz run clone 7 --set base_model=NAME");
        assert_eq!(named[0].1, r#"POST /v1/training-runs/7/clone {"changes":{"base_model":"NAME"}}"#);
        assert!(requests("check the log of aprendiz serve without --no-reaper").is_empty());
        assert_eq!(equivalent_requests(&["aprendiz doctor, twice: aprendiz doctor".to_owned()]).len(), 1);
    }

    #[test]
    fn every_command_of_an_advice_or_a_next_step_has_a_request() {
        // what a host runs has none
        const HOST: [&str; 3] = ["serve", "login", "migrate"];
        let sources = [
            include_str!("advice.rs"),
            include_str!("ended.rs"),
            include_str!("running.rs"),
            include_str!("waiting.rs"),
            include_str!("requirements.rs"),
        ];
        let mut checked = 0;
        for source in sources {
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for (start, name) in line.match_indices("aprendiz ") {
                    let rest = &line[start + name.len()..];
                    if HOST.iter().any(|host| rest.starts_with(host)) {
                        continue;
                    }
                    checked += 1;
                    assert!(!requests(&line[start..]).is_empty(), "no request for: aprendiz {rest}");
                }
            }
        }
        assert!(checked > 20, "only {checked} commands were found");
    }
}
