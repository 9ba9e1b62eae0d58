//! Unique runs: an equal run that waits or runs is returned instead of a new one.

use std::collections::HashSet;
use std::sync::Arc;

use aprendiz_run_spec::RunSpec;
use aprendiz_runs::{CreateRun, Created, cancel_run, create_run};
use tokio::sync::Barrier;

use crate::fixture::{Fixture, TIMEOUT, request, spec};

fn unique() -> RunSpec {
    RunSpec { unique: true, ..spec("contracts") }
}

async fn create(fixture: &Fixture, request: CreateRun<'_>) -> Created {
    create_run(&mut *fixture.conn().await, request).await.unwrap()
}

#[tokio::test]
async fn an_equal_run_is_returned_as_long_as_it_waits_or_runs() {
    let fixture = Fixture::new().await;
    // also one that was not created as a unique run
    let first = fixture.create_run().await;
    let equal = create(&fixture, request(unique())).await;
    assert_eq!((equal.run.id, equal.is_new, equal.is_equal), (first, false, true));
    let attempt = fixture.claim_run(first).await;
    assert_eq!(create(&fixture, request(unique())).await.run.id, first);
    fixture.publish(attempt).await;
    let next = create(&fixture, request(unique())).await;
    assert!(next.is_new && !next.is_equal && next.run.id != first);
    assert!(next.run.spec.get("unique").is_none(), "an option of the request: {}", next.run.spec);
    cancel_run(&mut *fixture.conn().await, next.run.id, "ana").await.unwrap();
    assert!(create(&fixture, request(unique())).await.is_new);
}

#[tokio::test]
async fn a_run_with_another_spec_or_other_data_is_not_equal() {
    let fixture = Fixture::new().await;
    let (a, b) = (fixture.document().await, fixture.document().await);
    let with_documents = |documents: &[uuid::Uuid]| {
        let mut spec = unique();
        spec.data.documents = Some(documents.to_vec());
        spec
    };
    let first = create(&fixture, request(with_documents(&[a, b]))).await.run.id;
    assert_eq!(create(&fixture, request(with_documents(&[b, a, b]))).await.run.id, first, "the order of documents does not matter");
    for other in [
        request(with_documents(&[a])),
        request(RunSpec { seed: 7, ..with_documents(&[a, b]) }),
        request(RunSpec { priority: 1, ..with_documents(&[a, b]) }),
        CreateRun { position: Some(9), ..request(with_documents(&[a, b])) },
        CreateRun { dataset_only: true, ..request(with_documents(&[a, b])) },
        request(RunSpec { unique: false, ..with_documents(&[a, b]) }),
    ] {
        assert!(create(&fixture, other).await.is_new);
    }
}

#[tokio::test]
async fn a_repeated_key_returns_the_equal_run_also_after_its_end() {
    let fixture = Fixture::new().await;
    let first = fixture.create_run().await;
    let with_key = || CreateRun { idempotency: Some(("key", "0".repeat(64))), ..request(unique()) };
    assert_eq!(create(&fixture, with_key()).await.run.id, first);
    let attempt = fixture.claim_run(first).await;
    fixture.publish(attempt).await;
    let repeated = create(&fixture, with_key()).await;
    assert_eq!((repeated.run.id, repeated.is_new, repeated.is_equal), (first, false, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_requests_create_one_run() {
    const REQUESTS: usize = 12;
    let fixture = Fixture::new().await;
    let barrier = Arc::new(Barrier::new(REQUESTS));
    let mut requests = Vec::new();
    for _ in 0..REQUESTS {
        let (pool, barrier) = (fixture.pool().clone(), Arc::clone(&barrier));
        requests.push(tokio::spawn(async move {
            let mut conn = pool.acquire().await.unwrap();
            barrier.wait().await;
            let created = create_run(&mut conn, request(unique())).await.unwrap();
            (created.run.id, created.is_new)
        }));
    }
    let mut ids = HashSet::new();
    let mut new = 0;
    for request in requests {
        let (id, is_new) = tokio::time::timeout(TIMEOUT, request).await.unwrap().unwrap();
        ids.insert(id);
        new += usize::from(is_new);
    }
    assert_eq!((ids.len(), new), (1, 1));
}
