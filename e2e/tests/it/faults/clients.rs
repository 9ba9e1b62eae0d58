//! Many slow and hostile clients at the same time, with the default limits, beside a training and other users.

use std::time::{Duration, Instant};

use aprendiz_test_support::{Api, wait_until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use uuid::Uuid;

use super::check_published_once;
use crate::clients::{count_connections, long_documents};
use crate::fixture::exports::contracts;
use crate::fixture::raw_client::{RawClient, take_answered};
use crate::fixture::{HeldTraining, TIMEOUT, TestApp, evaluation_spec, expect_json, get_bytes, parse_id, text, training_spec};

/// Slow clients are cut off after a minute by default. Here they stay until the end of the test, however slow the machine is. The
/// allocator returns freed memory at once, so that what is measured is what the server uses; by default it keeps some of it for a while.
const SETTINGS: [(&str, &str); 3] =
    [("APRENDIZ_CLIENT_IDLE_SECONDS", "3600"), ("APRENDIZ_HEADER_TIMEOUT_SECONDS", "3600"), ("MIMALLOC_PURGE_DELAY", "0")];
const REQUESTS: usize = 300;
/// How many times slower the median request may be beside the hostile clients. A request that waits for one of them takes seconds, which
/// is a thousand times as long.
const MAX_SLOWDOWN: u32 = 100;
const MAX_SERVER_BYTES: u64 = 400_000_000;
/// 16 of the pool, 8 dedicated ones, and those of relay, reaper, sweeper and events.
const MAX_CONNECTIONS: i64 = 16 + 8 + 6;
/// Connections without a key, and slow readers, slow uploads and verifications.
const SILENT: usize = 1100;
const READERS: usize = 300;
const UPLOADS: usize = 300;
const VERIFICATIONS: usize = 260;

/// Resident memory of the server in bytes.
fn resident_bytes(app: &TestApp) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.server.process.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the process has memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Durations of ordinary requests, sorted, and the greatest memory and number of connections meanwhile. Every request must succeed.
struct Measurement {
    durations: Vec<Duration>,
    memory: u64,
    connections: i64,
}

impl Measurement {
    async fn take(app: &TestApp) -> Self {
        let mut measured = Self { durations: Vec::new(), memory: 0, connections: 0 };
        for round in 0..REQUESTS {
            let path = ["/healthz", "/v1/fields", "/v1/models", "/v1/documents", "/v1/queue"][round % 5];
            let started = Instant::now();
            // each on a connection of its own
            app.api().json(path).await;
            measured.durations.push(started.elapsed());
            measured.memory = measured.memory.max(resident_bytes(app));
            let of_server = "application_name LIKE 'aprendiz%' AND application_name NOT LIKE 'aprendiz-worker%'";
            measured.connections = measured.connections.max(count_connections(app, of_server).await);
        }
        measured.durations.sort_unstable();
        measured
    }

    fn median(&self) -> Duration {
        self.durations[REQUESTS / 2]
    }

    fn report(&self, when: &str) {
        let p99 = self.durations[REQUESTS * 99 / 100];
        println!(
            "{when}: {REQUESTS} requests: median {:?}, p99 {p99:?}, longest {:?}; memory {} MB, {} database connections",
            self.median(),
            self.durations[REQUESTS - 1],
            self.memory / 1_000_000,
            self.connections
        );
    }
}

/// The state of a check of the readiness probe, which must answer 200.
async fn readiness(app: &TestApp, name: &str) -> Value {
    let health = app.server.api_as("").json("/readyz").await;
    let check = health["checks"].as_array().expect("a list").iter().find(|check| check["name"] == name).cloned();
    check.unwrap_or_else(|| panic!("no check `{name}`: {health}"))
}

/// Waits until the worker has renewed the lease of a run this many times.
async fn wait_for_renewals(app: &TestApp, id: Uuid, count: usize) {
    let sql =
        "SELECT lease_expires_at::text FROM attempts WHERE run_id = $1 AND status = 'running' AND lease_expires_at > clock_timestamp()";
    let mut seen = std::collections::BTreeSet::new();
    wait_until("the renewals of a lease", TIMEOUT, async || {
        let lease: Option<String> = sqlx::query_scalar(sql).bind(id).fetch_optional(app.pool()).await.expect("the lease can be read");
        seen.insert(lease.expect("the attempt is running and its lease has not expired"));
        // the first one was there before
        (seen.len() > count).then_some(())
    })
    .await;
}

/// Verifies a snapshot and downloads its files, as another user does. A verification waits for those of others, so it may be refused.
async fn verify_and_download(api: &Api, dataset: &str, run: Uuid) {
    let verified: Value = wait_until("a verification beside others", TIMEOUT, async || {
        let response = api.post(&format!("/v1/datasets/{dataset}/verify?files=true")).send().await.expect("the API answers");
        let status = response.status().as_u16();
        let body: Value = response.json().await.expect("JSON");
        assert!([200, 503].contains(&status), "{status}: {body}");
        (status == 200).then_some(body)
    })
    .await;
    let files = verified["files"].as_array().expect("a list");
    assert!(!files.is_empty() && files.iter().all(|file| file["state"] == "same"), "{verified}");
    for file in files {
        get_bytes(api, &format!("/v1/datasets/{dataset}/files/{}", text(&file["path"]))).await;
    }
    assert!(!get_bytes(api, &format!("/v1/training-runs/{run}/dataset")).await.is_empty());
}

#[tokio::test]
#[ignore = "opens two thousand connections and takes a minute: ./dev faults"]
async fn requests_are_answered_despite_two_thousand_hostile_clients() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let app = TestApp::start_with(&[], &SETTINGS).await;
    app.import(contracts()).await;
    let trained = {
        let _worker = app.env.worker("worker-0", &[]);
        let id = app.create_run(&training_spec()).await;
        app.wait_for_success(id).await;
        id
    };
    let dataset = text(&app.run(trained).await["dataset_id"]);
    // a training that goes on while the clients are there, with the default lease
    let HeldTraining { id: held, worker, hold, .. } = HeldTraining::start(&app, &[]).await;
    app.import(long_documents(4)).await;
    let long: Uuid = sqlx::query_scalar("SELECT document_id FROM document_texts ORDER BY length(text) DESC LIMIT 1")
        .fetch_one(app.pool())
        .await
        .unwrap();
    let alone = Measurement::take(&app).await;

    let [reader, verifier, colleague] = ["viewer", "viewer", "viewer"].map(|role| app.env.create_key(role));
    // two keys, because one may use half of the places for imports only
    let reviewers = ["reviewer", "reviewer"].map(|role| app.env.create_key(role));
    let mut slow = Vec::new();
    for _ in 0..SILENT {
        let mut client = RawClient::connect(&app).await;
        client.send(b"GET /healthz HTTP/1.1\r\nhost: te").await;
        slow.push(client);
    }
    for number in 0..READERS {
        let path = if number % 2 == 0 { "/v1/annotations/export?format=label-studio".to_owned() } else { format!("/v1/documents/{long}") };
        slow.push(RawClient::request(&app, &format!("GET {path}"), &reader).await);
    }
    let mut uploads = Vec::new();
    let first = vec![b' '; 100_000];
    for number in 0..UPLOADS {
        let (path, key) = match number % 3 {
            0 => ("/v1/imports/legacy-csv/score", &reader),
            1 => ("/v1/imports?background=true", &reviewers[number % 2]),
            _ => ("/v1/models/contracts/predict", &reader),
        };
        uploads.push(RawClient::upload(&app, &format!("POST {path}"), key, 1_000_000, &first).await);
    }
    let mut verifications = Vec::new();
    for _ in 0..VERIFICATIONS {
        verifications.push(RawClient::request(&app, &format!("POST /v1/datasets/{dataset}/verify?files=true"), &verifier).await);
    }

    let beside = Measurement::take(&app).await;
    alone.report("alone");
    beside.report("beside the hostile clients");
    assert!(beside.median() < alone.median().max(Duration::from_millis(1)) * MAX_SLOWDOWN, "requests wait for hostile clients");
    assert!(beside.memory < MAX_SERVER_BYTES, "{}", beside.memory);
    assert!(beside.connections <= MAX_CONNECTIONS, "{}", beside.connections);

    // each verification is executed or refused, with a reason that says when to try again
    let statuses = take_answered(&mut verifications, VERIFICATIONS).await;
    assert!(statuses.iter().all(|status| [200, 429, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&200), "no verification succeeded: {statuses:?}");

    // other keys have their share of everything but the imports, which two keys have used up, and the probe says the same
    let other = app.server.api_as(&colleague);
    verify_and_download(&other, &dataset, trained).await;
    expect_json(other.post("/v1/models/contracts/predict").json(&json!({ "texts": ["a lease"] })), 200).await;
    for name in ["database", "bucket", "redis", "relay", "reaper"] {
        let check = readiness(&app, name).await;
        assert_eq!(check["state"], "ok", "{check}");
    }
    let check = readiness(&app, "requests").await;
    assert_eq!((&check["state"], text(&check["detail"]).contains("imports")), (&json!("degraded"), true), "{check}");
    let import = || app.api().post("/v1/imports").body(contracts());
    assert_eq!(expect_json(import(), 503).await["code"], "overloaded");
    // without the slow uploads, both change their answers
    drop(uploads);
    wait_until("a probe without overload", TIMEOUT, async || (readiness(&app, "requests").await["state"] == "ok").then_some(())).await;
    expect_json(import(), 201).await;

    // the training keeps its lease, and a run that was created meanwhile follows it
    let next = parse_id(&expect_json(app.api().post("/v1/training-runs").json(&evaluation_spec()), 202).await);
    wait_for_renewals(&app, held, 2).await;
    drop(hold);
    for id in [held, next] {
        app.wait_for_success(id).await;
        assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    }
    check_published_once(&app, held).await;
    assert!(!worker.log().contains("lease lost"), "{}", worker.log());
    drop((slow, worker));
    app.finish().await;
}
