//! What to do about each failure code. The codes are those of `docs/STATES.md`, and a test holds the two together.

/// Codes, and what to do next.
const ADVICE: &[(&[&str], &str)] = &[
    (&["no_examples"], "import reviewed documents, or widen `fields`, `documents`, `filter` and `as_of` of the spec, and create a new run"),
    (&["no_trainable_field"], "review more documents, lower `min_support`, or name categorical fields, and create a new run"),
    (
        &["unknown_field", "unknown_documents"],
        "correct the spec: `aprendiz field list` and `GET /v1/documents` show what there is; then create a new run",
    ),
    (&["split_leak"], "exclude one side of the documents that the text names; if the splits came by themselves, report it"),
    (
        &["unknown_base_model", "bad_base_model"],
        "get the base model as the text says, on every worker that may take the run, then: aprendiz run retry ID; or name another one: aprendiz run clone ID --set base_model=NAME",
    ),
    (
        &["hub_unusable"],
        "see that the worker reaches `APRENDIZ_HUB` and may write into `APRENDIZ_BASE_MODELS`, then: aprendiz run retry ID; or put the base model there by hand",
    ),
    (&["bad_params", "unknown_backend"], "correct the spec, for example: aprendiz run clone ID --set params.l2=0.1"),
    (
        &["non_finite_loss"],
        "try a larger `l2`, for an encoder a smaller `learning_rate`, for example: aprendiz run clone ID --set params.l2=1",
    ),
    (&["backend"], "look into the worker's log and report it"),
    (&["bad_dataset", "bad_model"], "report it; after an upgrade: aprendiz run retry ID"),
    (&["child_protocol"], "report it with the worker's log; after an upgrade: aprendiz run retry ID"),
    (&["broken_state", "broken_row"], "report it with the text: a row breaks a rule of this system"),
    (&["object_missing"], "restore the object that the text names and check the bucket's life-cycle rules, then: aprendiz run retry ID"),
    (&["object_damaged"], "check the storage: an object has not the hash of its row; then: aprendiz run retry ID"),
    (&["object_store"], "check S3, the bucket and the credentials (aprendiz doctor), then: aprendiz run retry ID"),
    (&["database"], "check PostgreSQL (aprendiz doctor), then: aprendiz run retry ID"),
    (
        &["scratch_unusable", "snapshot_io", "io", "upload_failed"],
        "make room in the folder `APRENDIZ_SCRATCH` of the worker and check its rights, then: aprendiz run retry ID",
    ),
    (&["evaluation_failed"], "look into the worker's log and report it; aprendiz run retry ID tries again"),
    (&["child_not_started"], "check memory and process limits of the worker's host, then: aprendiz run retry ID"),
    (&["child_failed"], "read the last words of the training process in the text; then: aprendiz run retry ID"),
    (
        &["child_silent"],
        "look into the worker's log and report it; set a larger `APRENDIZ_CHILD_SILENCE_SECONDS` if its steps are that slow; then: aprendiz run retry ID",
    ),
    (
        &["dataset_erased"],
        "nothing: the next attempt builds a snapshot without the erased document; when all are used up: aprendiz run retry ID",
    ),
    (&["worker_panicked"], "look into the log of the attempt's worker and report it; then: aprendiz run retry ID"),
    (
        &["child_killed", "worker_killed"],
        "give it more memory: fewer `APRENDIZ_SLOTS`, a smaller `max_features`, for an encoder a smaller `batch` or `max_length`, or a larger host; then: aprendiz run retry ID",
    ),
    (&["worker_lost"], "look at the hosts of the attempts (restarts, out of memory, network), then: aprendiz run retry ID"),
];

/// What to do about a failure; `None` for a code that this version does not know.
pub(super) fn advice(code: &str) -> Option<&'static str> {
    ADVICE.iter().find(|(codes, _)| codes.contains(&code)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The codes of the table of failure codes: what stands in backticks in the first cell of a row.
    fn documented() -> BTreeSet<String> {
        let page = include_str!("../../../../docs/STATES.md");
        let (_, section) = page.split_once("## Failure codes").expect("the page has the section");
        let section = section.split("\n## ").next().unwrap_or_default();
        let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
        cells.flat_map(|cell| cell.split('`').step_by(2)).map(str::trim).filter(|code| !code.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn every_documented_code_has_its_advice_and_every_advice_its_code() {
        let documented = documented();
        assert!(documented.len() >= 20 && documented.contains("upload_failed"), "{documented:?}");
        let advised: BTreeSet<String> = ADVICE.iter().flat_map(|(codes, _)| codes.iter().map(|code| (*code).to_owned())).collect();
        assert_eq!(advised, documented);
    }
}
