//! Advice for each error code. A test keeps the codes in sync with the table of `docs/STATES.md`.

/// Error codes, and what to do next.
const ADVICE: &[(&[&str], &str)] = &[
    (&["no_examples"], "import reviewed documents, or widen `fields`, `documents`, `filter` and `as_of` of the spec, and create a new run"),
    (&["no_trainable_field"], "review more documents, lower `min_support`, or name categorical fields, and create a new run"),
    (
        &["unknown_field", "unknown_documents"],
        "correct the spec (`aprendiz field list` shows the fields, `aprendiz annotations export` the documents) and create a new run",
    ),
    (
        &["split_leak"],
        "aprendiz document index excludes the later ones unless it has compared them already; otherwise create a run whose `documents` lack one of each pair in the error text; if the splits were assigned automatically, report a bug",
    ),
    (
        &["unknown_base_model", "bad_base_model"],
        "install the base model as described in the error text on every worker that may claim the run, then: aprendiz run retry ID; or use another one: aprendiz run clone ID --set base_model=NAME",
    ),
    (
        &["hub_unusable"],
        "check that the worker can reach `APRENDIZ_HUB` and write to `APRENDIZ_BASE_MODELS`, then: aprendiz run retry ID; or install the base model manually",
    ),
    (
        &["unknown_version", "files_deleted", "version_retired", "kind_not_evaluated"],
        "use another version (to evaluate one, it must be of kind `linear`; aprendiz model versions lists them): aprendiz run clone ID --set model_version=NUMBER",
    ),
    (
        &["kind_not_predicted", "field_not_predicted"],
        "predict with a version of kind `linear` or `field-classifier` (aprendiz model versions lists them): aprendiz run clone ID --set model_version=NUMBER; or correct `data.fields`",
    ),
    (&["bad_params"], "correct the spec, for example: aprendiz run clone ID --set params.l2=0.1"),
    (
        &["non_finite_loss"],
        "use a larger `l2`, or for an encoder a smaller `learning_rate`, for example: aprendiz run clone ID --set params.l2=1",
    ),
    (
        &["no_trial_succeeded"],
        "correct the parameters named in the error text and create a new sweep; if the cause is gone: aprendiz run retry ID",
    ),
    (
        &["winner_failed"],
        "see the run named in the error text (aprendiz run explain), then: aprendiz run retry ID, which keeps the trials and trains the best again",
    ),
    (&["no_validation_scores"], "review more documents, so that validation or the folds of train have examples, and create a new run"),
    (&["backend"], "check the worker's log and report a bug"),
    (&["bad_dataset", "bad_model"], "report a bug; after an upgrade: aprendiz run retry ID"),
    (&["child_protocol"], "report a bug with the worker's log; after an upgrade: aprendiz run retry ID"),
    (
        &["broken_state", "broken_row"],
        "update the worker if the spec was created by a newer version; otherwise report a bug with the error text: a database row is invalid",
    ),
    (
        &["object_missing"],
        "restore the object named in the error text and check the lifecycle rules of the bucket, then: aprendiz run retry ID",
    ),
    (
        &["snapshot_changed"],
        "restore the files of the snapshot in the bucket, or find the rows that were changed outside Aprendiz (aprendiz dataset verify ID)",
    ),
    (&["object_damaged"], "check the storage: the hash of an object does not match its row; then: aprendiz run retry ID"),
    (&["object_store"], "check S3, the bucket and the credentials (aprendiz doctor), then: aprendiz run retry ID"),
    (
        &["object_store_rejected"],
        "change what the answer of S3 in the error text names (aprendiz doctor checks every permission), then: aprendiz run retry ID",
    ),
    (&["database"], "check PostgreSQL (aprendiz doctor), then: aprendiz run retry ID"),
    (
        &["scratch_unusable", "snapshot_io", "io", "upload_failed"],
        "free disk space in the worker's `APRENDIZ_SCRATCH` directory and check its permissions, then: aprendiz run retry ID",
    ),
    (&["evaluation_failed"], "check the worker's log and report a bug; to try again: aprendiz run retry ID"),
    (&["child_not_started"], "check the memory and process limits of the worker's host, then: aprendiz run retry ID"),
    (&["child_failed"], "read the last output of the training process in the error text, then: aprendiz run retry ID"),
    (
        &["child_silent"],
        "check the worker's log and report a bug; if training steps are that slow, increase `APRENDIZ_CHILD_SILENCE_SECONDS`; then: aprendiz run retry ID",
    ),
    (
        &["dataset_erased"],
        "nothing: the next attempt builds a snapshot without the erased document; when all attempts are used up: aprendiz run retry ID",
    ),
    (&["worker_panicked"], "check the log of the attempt's worker and report a bug; then: aprendiz run retry ID"),
    (
        &["child_killed", "training_process_killed"],
        "give it more memory (fewer `APRENDIZ_SLOTS`, or a larger host), then: aprendiz run retry ID; or use less, in a copy, because a retry keeps the spec: aprendiz run clone ID --set params.max_features=20000 (an encoder: --set params.batch=8)",
    ),
    (&["worker_lost"], "check the hosts of the attempts (restarts, memory, network), then: aprendiz run retry ID"),
];

/// Advice for an error code; `None` when this version does not know it.
pub(super) fn advice(code: &str) -> Option<&'static str> {
    ADVICE.iter().find(|(codes, _)| codes.contains(&code)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The codes in backticks in the first cell of each row of the table.
    fn documented() -> BTreeSet<String> {
        let page = include_str!("../../../../../docs/STATES.md");
        let (_, section) = page.split_once("## Failure codes").expect("the page has the section");
        let section = section.split("\n## ").next().unwrap_or_default();
        let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
        cells.flat_map(|cell| cell.split('`').step_by(2)).map(str::trim).filter(|code| !code.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn documented_codes_and_advice_match() {
        let documented = documented();
        assert!(documented.len() >= 20 && documented.contains("upload_failed"), "{documented:?}");
        let advised: BTreeSet<String> = ADVICE.iter().flat_map(|(codes, _)| codes.iter().map(|code| (*code).to_owned())).collect();
        assert_eq!(advised, documented);
    }
}
