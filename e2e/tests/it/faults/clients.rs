//! Many slow and hostile clients at the same time, with the default limits.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use uuid::Uuid;

use crate::clients::{count_connections, long_documents};
use crate::fixture::TestApp;
use crate::fixture::raw_client::RawClient;

/// Resident memory of the server in bytes.
fn resident_bytes(app: &TestApp) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.server.process.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the process has memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
#[ignore = "opens two thousand connections and takes a minute: ./dev faults"]
async fn requests_are_answered_despite_two_thousand_hostile_clients() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let app = TestApp::start().await;
    app.import(long_documents(4)).await;
    let documents = app.api().json("/v1/documents").await;
    let id = documents["items"][0]["id"].as_str().expect("a document").to_owned();
    let (viewer, reviewer) = (app.env.create_key("viewer"), app.env.create_key("reviewer"));

    let mut clients = Vec::new();
    for _ in 0..1100 {
        let mut client = RawClient::connect(&app).await;
        client.send(b"GET /healthz HTTP/1.1\r\nhost: te").await;
        clients.push(client);
    }
    for number in 0..300 {
        let path = if number % 2 == 0 { "/v1/annotations/export?format=label-studio".to_owned() } else { format!("/v1/documents/{id}") };
        clients.push(RawClient::request(&app, &format!("GET {path}"), &viewer).await);
    }
    let first = vec![b' '; 100_000];
    for number in 0..300 {
        let (path, key) = match number % 3 {
            0 => ("/v1/imports/legacy-csv/score", &viewer),
            1 => ("/v1/imports?background=true", &reviewer),
            _ => ("/v1/models/m/predict", &viewer),
        };
        clients.push(RawClient::upload(&app, &format!("POST {path}"), key, 1_000_000, &first).await);
    }
    for _ in 0..260 {
        clients.push(RawClient::request(&app, &format!("POST /v1/datasets/{}/verify?files=true", Uuid::nil()), &viewer).await);
    }

    let mut durations = Vec::new();
    let (mut memory, mut connections) = (0, 0);
    for round in 0..300 {
        let path = ["/healthz", "/v1/fields", "/v1/models", "/v1/documents", "/v1/queue"][round % 5];
        let started = Instant::now();
        app.api().json(path).await;
        durations.push(started.elapsed());
        memory = memory.max(resident_bytes(&app));
        connections = connections.max(count_connections(&app, "application_name LIKE 'aprendiz%'").await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    durations.sort_unstable();
    println!(
        "300 requests: median {:?}, p99 {:?}, longest {:?}; memory {} MB, {connections} database connections",
        durations[150],
        durations[297],
        durations[299],
        memory / 1_000_000
    );
    assert!(memory < 400_000_000, "{memory}");
    // 16 of the pool, 8 dedicated ones, and those of relay, reaper, sweeper and events
    assert!(connections <= 16 + 8 + 6, "{connections}");
    drop(clients);
    app.finish().await;
}
