//! What must be true once the dust has settled, asked of Postgres and the bucket. Each check gives the violations it finds.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgPool};
use test_support::TestBucket;
use uuid::Uuid;

/// Of the runs that nobody cancelled, so many must have succeeded.
const SUCCEEDED: f64 = 0.95;
/// Files that are read at the same time.
const READS_AT_ONCE: usize = 8;

/// Statements that count or name what must not be.
const FORBIDDEN: [(&str, &str); 12] = [
    ("runs that never ended", "SELECT id || ' is ' || status FROM training_runs WHERE status NOT IN ('succeeded', 'failed', 'cancelled')"),
    ("attempts that never ended", "SELECT run_id || ' attempt ' || number FROM attempts WHERE status = 'running'"),
    (
        "succeeded trainings without exactly one version",
        "SELECT r.id::text FROM training_runs r WHERE r.status = 'succeeded' AND NOT r.dataset_only AND r.kind <> 'evaluate'
            AND (SELECT count(*) FROM model_versions v WHERE v.run_id = r.id) <> 1",
    ),
    (
        "versions of runs that did not train and succeed",
        "SELECT v.model || ' ' || v.number FROM model_versions v JOIN training_runs r ON r.id = v.run_id
            WHERE r.status <> 'succeeded' OR r.kind = 'evaluate'",
    ),
    (
        "numbers of versions with a gap",
        "SELECT model FROM model_versions GROUP BY model HAVING count(*) <> max(number) OR min(number) <> 1",
    ),
    (
        "succeeded runs without exactly one succeeded attempt, the last",
        "SELECT r.id::text FROM training_runs r WHERE r.status = 'succeeded' AND (
            (SELECT count(*) FROM attempts a WHERE a.run_id = r.id AND a.status = 'succeeded') <> 1
            OR (SELECT a.status FROM attempts a WHERE a.run_id = r.id ORDER BY a.number DESC LIMIT 1) <> 'succeeded')",
    ),
    (
        "attempts that are not numbered 1, 2, 3",
        "SELECT run_id::text FROM attempts GROUP BY run_id HAVING count(*) <> max(number) OR min(number) <> 1",
    ),
    (
        "numbers written by another attempt than the one that succeeded",
        "SELECT m.run_id || ' attempt ' || m.attempt_number FROM metrics m
            JOIN attempts a ON a.run_id = m.run_id AND a.number = m.attempt_number WHERE a.status <> 'succeeded'",
    ),
    (
        "events with a gap, or an end that is not the last",
        "SELECT run_id::text FROM run_events GROUP BY run_id HAVING count(*) <> max(sequence)
            OR (array_agg(kind ORDER BY sequence DESC))[1] <> 'end'",
    ),
    (
        "live files of a model whose attempt did not succeed",
        "SELECT o.key FROM objects o JOIN attempts a ON a.run_id = o.run_id AND a.number = o.attempt_number
            WHERE o.state = 'live' AND o.key LIKE 'models/%' AND a.status <> 'succeeded'",
    ),
    (
        "pending files older than the sweep",
        "SELECT key FROM objects WHERE state <> 'live' AND created_at < clock_timestamp() - interval '60 seconds'",
    ),
    (
        "cancelled runs that nobody asked to cancel",
        "SELECT r.id::text FROM training_runs r WHERE r.status = 'cancelled' AND NOT EXISTS (
            SELECT FROM audit_log l WHERE l.action = 'training_run.cancel' AND l.subject = r.id::text)",
    ),
];

/// Failure codes that an injected fault explains.
const EXPLAINED: [&str; 9] = [
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

/// All violations.
pub(crate) async fn all(pool: &PgPool, bucket: &TestBucket, submitted: &[Uuid]) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for (what, sql) in FORBIDDEN {
        let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.with_context(|| what.to_owned())?;
        if !found.is_empty() {
            violations.push(format!("{what}: {} ({})", found.len(), found[..found.len().min(5)].join(", ")));
        }
    }
    outcomes(pool, submitted, &mut violations).await?;
    files(pool, bucket, &mut violations).await?;
    Ok(violations)
}

async fn outcomes(pool: &PgPool, submitted: &[Uuid], violations: &mut Vec<String>) -> Result<()> {
    let known: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM training_runs").fetch_all(pool).await?;
    let known: BTreeSet<Uuid> = known.into_iter().collect();
    let lost: Vec<String> = submitted.iter().filter(|id| !known.contains(id)).map(Uuid::to_string).collect();
    if !lost.is_empty() {
        violations.push(format!("runs that were accepted and are gone: {}", lost.join(", ")));
    }
    let outcomes: Vec<(String, Option<String>, i64)> =
        sqlx::query_as("SELECT status::text, error_code, count(*) FROM training_runs GROUP BY 1, 2 ORDER BY 1, 2").fetch_all(pool).await?;
    let count = |status: &str| outcomes.iter().filter(|(name, ..)| name == status).map(|(.., count)| count).sum::<i64>();
    let (succeeded, failed) = (count("succeeded"), count("failed"));
    if (succeeded as f64) < SUCCEEDED * (succeeded + failed) as f64 {
        violations.push(format!("only {succeeded} of {} runs that nobody cancelled succeeded", succeeded + failed));
    }
    for (_, code, count) in outcomes.iter().filter(|(status, ..)| status == "failed") {
        let code = code.as_deref().unwrap_or("no code");
        if !EXPLAINED.contains(&code) {
            violations.push(format!("{count} runs failed with {code}, which no fault explains"));
        }
    }
    Ok(())
}

/// Every object has a row, every live row its object with its hash, every manifest all files beside it.
async fn files(pool: &PgPool, bucket: &TestBucket, violations: &mut Vec<String>) -> Result<()> {
    let rows: Vec<(String, String, Option<String>)> =
        sqlx::query_as("SELECT key, state::text, sha256 FROM objects").fetch_all(pool).await?;
    let rows: BTreeMap<String, (String, Option<String>)> = rows.into_iter().map(|(key, state, hash)| (key, (state, hash))).collect();
    let keys = bucket.keys().await;
    violations.extend(keys.iter().filter(|key| !rows.contains_key(*key)).map(|key| format!("a file without a row: {key}")));
    let present: BTreeSet<&String> = keys.iter().collect();
    let live = rows.iter().filter(|(_, (state, _))| state == "live");
    let (there, missing): (Vec<_>, Vec<_>) = live.partition(|(key, _)| present.contains(key));
    violations.extend(missing.iter().map(|(key, _)| format!("a live row without its file: {key}")));
    let read = there.into_iter().map(async |(key, (_, hash))| {
        let bytes = bucket.client().get_object().bucket(bucket.name()).key(key).send().await.with_context(|| key.clone())?;
        let bytes = bytes.body.collect().await.with_context(|| key.clone())?.into_bytes();
        let mut violations = Vec::new();
        if hash.as_deref() != Some(hex::encode(Sha256::digest(&bytes)).as_str()) {
            violations.push(format!("a file with another hash than its row: {key}"));
        }
        let Some(folder) = key.strip_suffix("manifest.json").filter(|folder| folder.starts_with("models/")) else {
            return Ok::<_, anyhow::Error>(violations);
        };
        let manifest: Value = serde_json::from_slice(&bytes).with_context(|| key.clone())?;
        for file in manifest["files"].as_array().into_iter().flatten() {
            let path = format!("{folder}{}", file["path"].as_str().unwrap_or_default());
            let row = rows.get(&path).filter(|(state, _)| state == "live");
            if row.is_none_or(|(_, hash)| hash.as_deref() != file["sha256"].as_str()) {
                violations.push(format!("a manifest names what is missing or another: {path}"));
            }
        }
        Ok(violations)
    });
    let mut read = std::pin::pin!(futures::stream::iter(read).buffer_unordered(READS_AT_ONCE));
    while let Some(found) = read.try_next().await? {
        violations.extend(found);
    }
    Ok(())
}
