//! Invariants after all faults have ended, checked in Postgres and the bucket. Each check returns the violations that it finds.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use aprendiz_test_support::TestBucket;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

/// Minimum fraction of the runs without a cancellation that must have succeeded.
const MIN_SUCCEEDED: f64 = 0.95;
/// Maximum number of concurrent reads from the bucket.
const MAX_CONCURRENT_READS: usize = 8;

/// Kinds of violations, each with a statement that selects them.
const VIOLATIONS: [(&str, &str); 12] = [
    ("runs that never ended", "SELECT id || ' is ' || status FROM training_runs WHERE status NOT IN ('succeeded', 'failed', 'cancelled')"),
    ("attempts that never ended", "SELECT run_id || ' attempt ' || number FROM attempts WHERE status = 'running'"),
    (
        "succeeded trainings without exactly one model version",
        "SELECT r.id::text FROM training_runs r WHERE r.status = 'succeeded' AND NOT r.dataset_only AND r.kind <> 'evaluate'
            AND (SELECT count(*) FROM model_versions v WHERE v.run_id = r.id) <> 1",
    ),
    (
        "model versions of runs that did not train and succeed",
        "SELECT v.model || ' ' || v.number FROM model_versions v JOIN training_runs r ON r.id = v.run_id
            WHERE r.status <> 'succeeded' OR r.kind = 'evaluate'",
    ),
    ("version numbers with a gap", "SELECT model FROM model_versions GROUP BY model HAVING count(*) <> max(number) OR min(number) <> 1"),
    (
        "succeeded runs whose last attempt, and only it, did not succeed",
        "SELECT r.id::text FROM training_runs r WHERE r.status = 'succeeded' AND (
            (SELECT count(*) FROM attempts a WHERE a.run_id = r.id AND a.status = 'succeeded') <> 1
            OR (SELECT a.status FROM attempts a WHERE a.run_id = r.id ORDER BY a.number DESC LIMIT 1) <> 'succeeded')",
    ),
    ("attempt numbers with a gap", "SELECT run_id::text FROM attempts GROUP BY run_id HAVING count(*) <> max(number) OR min(number) <> 1"),
    (
        "metrics of attempts that did not succeed",
        "SELECT m.run_id || ' attempt ' || m.attempt_number FROM metrics m
            JOIN attempts a ON a.run_id = m.run_id AND a.number = m.attempt_number WHERE a.status <> 'succeeded'",
    ),
    (
        "event sequences with a gap, or without an end as the last event",
        "SELECT run_id::text FROM run_events GROUP BY run_id HAVING count(*) <> max(sequence)
            OR (array_agg(kind ORDER BY sequence DESC))[1] <> 'end'",
    ),
    (
        "live model files of attempts that did not succeed",
        "SELECT o.key FROM objects o JOIN attempts a ON a.run_id = o.run_id AND a.number = o.attempt_number
            WHERE o.state = 'live' AND o.key LIKE 'models/%' AND a.status <> 'succeeded'",
    ),
    (
        "objects that the sweeper should have deleted",
        "SELECT key FROM objects WHERE state <> 'live' AND created_at < clock_timestamp() - interval '60 seconds'",
    ),
    (
        "cancelled runs without a cancel request",
        "SELECT r.id::text FROM training_runs r WHERE r.status = 'cancelled' AND NOT EXISTS (
            SELECT FROM audit_log l WHERE l.action = 'training_run.cancel' AND l.subject = r.id::text)",
    ),
];

/// Error codes of runs that the injected faults can cause.
const EXPECTED_ERROR_CODES: [&str; 9] = [
    "training_process_killed",
    "worker_lost",
    "child_killed",
    "child_failed",
    "child_silent",
    "database",
    "object_store",
    "object_damaged",
    "child_not_started",
];

/// Returns all violations.
pub(crate) async fn find_violations(pool: &PgPool, bucket: &TestBucket, submitted: &[Uuid]) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for (what, sql) in VIOLATIONS {
        let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.with_context(|| what.to_owned())?;
        if !found.is_empty() {
            violations.push(format!("{what}: {} ({})", found.len(), found[..found.len().min(5)].join(", ")));
        }
    }
    check_outcomes(pool, submitted, &mut violations).await?;
    check_files(pool, bucket, &mut violations).await?;
    Ok(violations)
}

async fn check_outcomes(pool: &PgPool, submitted: &[Uuid], violations: &mut Vec<String>) -> Result<()> {
    let known: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM training_runs").fetch_all(pool).await?;
    let known: BTreeSet<Uuid> = known.into_iter().collect();
    let lost: Vec<String> = submitted.iter().filter(|id| !known.contains(id)).map(Uuid::to_string).collect();
    if !lost.is_empty() {
        violations.push(format!("accepted runs that do not exist: {}", lost.join(", ")));
    }
    let requested: BTreeSet<&Uuid> = submitted.iter().collect();
    if requested.len() != submitted.len() || requested.len() != known.len() {
        violations.push(format!(
            "{} requests for runs, {} runs in the answers, {} runs stored",
            submitted.len(),
            requested.len(),
            known.len()
        ));
    }
    let outcomes: Vec<(String, Option<String>, i64)> =
        sqlx::query_as("SELECT status::text, error_code, count(*) FROM training_runs GROUP BY 1, 2 ORDER BY 1, 2").fetch_all(pool).await?;
    let count = |status: &str| outcomes.iter().filter(|(name, ..)| name == status).map(|(.., count)| count).sum::<i64>();
    let (succeeded, failed) = (count("succeeded"), count("failed"));
    if (succeeded as f64) < MIN_SUCCEEDED * (succeeded + failed) as f64 {
        violations.push(format!("only {succeeded} of {} runs without a cancellation succeeded", succeeded + failed));
    }
    for (_, code, count) in outcomes.iter().filter(|(status, ..)| status == "failed") {
        let code = code.as_deref().unwrap_or("no code");
        if !EXPECTED_ERROR_CODES.contains(&code) {
            violations.push(format!("{count} runs failed with {code}, which no injected fault causes"));
        }
    }
    Ok(())
}

/// Every object must have a row, every live row an object with its hash, and every manifest must list all files beside it.
async fn check_files(pool: &PgPool, bucket: &TestBucket, violations: &mut Vec<String>) -> Result<()> {
    let rows: Vec<(String, String, Option<String>)> =
        sqlx::query_as("SELECT key, state::text, sha256 FROM objects").fetch_all(pool).await?;
    let rows: BTreeMap<String, (String, Option<String>)> = rows.into_iter().map(|(key, state, hash)| (key, (state, hash))).collect();
    let keys = bucket.keys().await;
    violations.extend(keys.iter().filter(|key| !rows.contains_key(*key)).map(|key| format!("object without a row: {key}")));
    let present: BTreeSet<&String> = keys.iter().collect();
    let live = rows.iter().filter(|(_, (state, _))| state == "live");
    let (there, missing): (Vec<_>, Vec<_>) = live.partition(|(key, _)| present.contains(key));
    violations.extend(missing.iter().map(|(key, _)| format!("live row without an object: {key}")));
    let read = there.into_iter().map(async |(key, (_, hash))| {
        let bytes = bucket.client().get_object().bucket(bucket.name()).key(key).send().await.with_context(|| key.clone())?;
        let bytes = bytes.body.collect().await.with_context(|| key.clone())?.into_bytes();
        let mut violations = Vec::new();
        if hash.as_deref() != Some(hex::encode(Sha256::digest(&bytes)).as_str()) {
            violations.push(format!("object whose hash differs from its row: {key}"));
        }
        let Some(folder) = key.strip_suffix("manifest.json").filter(|folder| folder.starts_with("models/")) else {
            return Ok::<_, anyhow::Error>(violations);
        };
        let manifest: Value = serde_json::from_slice(&bytes).with_context(|| key.clone())?;
        for file in manifest["files"].as_array().into_iter().flatten() {
            let path = format!("{folder}{}", file["path"].as_str().unwrap_or_default());
            let row = rows.get(&path).filter(|(state, _)| state == "live");
            if row.is_none_or(|(_, hash)| hash.as_deref() != file["sha256"].as_str()) {
                violations.push(format!("manifest that lists a missing or different file: {path}"));
            }
        }
        Ok(violations)
    });
    let mut read = std::pin::pin!(futures::stream::iter(read).buffer_unordered(MAX_CONCURRENT_READS));
    while let Some(found) = read.try_next().await? {
        violations.extend(found);
    }
    Ok(())
}
