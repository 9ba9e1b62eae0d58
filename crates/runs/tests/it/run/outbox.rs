//! The outbox: due entries, order and concurrency.

use std::collections::BTreeSet;
use std::sync::Arc;

use aprendiz_runs::{RunId, cancel_run, delete_published, due_outbox_entries, next_due_in, record_publication, retry_run};
use tokio::sync::Barrier;

use crate::fixture::{Fixture, TIMEOUT};

async fn due(fixture: &Fixture, limit: i64) -> Vec<RunId> {
    let due = due_outbox_entries(&mut *fixture.conn().await, limit).await.unwrap();
    due.into_iter().map(|(_, run_id)| run_id).collect()
}

#[tokio::test]
async fn entries_are_read_by_due_time_and_not_by_priority() {
    let fixture = Fixture::new().await;
    let first = fixture.create_run().await;
    let urgent = fixture.create_run_with(|spec| spec.priority = 100).await;
    let last = fixture.create_run().await;
    fixture.execute(&format!("UPDATE outbox SET due_at = due_at - interval '1 minute' WHERE run_id = '{last}'")).await.unwrap();
    assert_eq!(due(&fixture, 2).await, [last, first]);
    assert_eq!(due(&fixture, 10).await, [last, first, urgent]);
    // the order of wake-ups is not the order of claims
    assert_eq!(fixture.claim().await.unwrap().run.id, urgent);
}

#[tokio::test]
async fn entries_of_runs_that_no_longer_wait_are_deleted_even_in_whole_batches() {
    let fixture = Fixture::new().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(fixture.create_run().await);
    }
    // a relay was publishing the entries while the runs were cancelled, and its transaction was rolled back
    let mut relay = fixture.pool().begin().await.unwrap();
    assert_eq!(due_outbox_entries(&mut relay, 10).await.unwrap().len(), 5);
    for id in ids {
        cancel_run(&mut *fixture.conn().await, id, "ana").await.unwrap();
    }
    relay.rollback().await.unwrap();
    assert_eq!(fixture.number("SELECT count(*) FROM outbox").await, 5);
    let waiting = fixture.create_run().await;
    assert_eq!(due(&fixture, 2).await, [waiting]);
    assert_eq!(fixture.number("SELECT count(*) FROM outbox").await, 1);
}

#[tokio::test]
async fn entries_that_are_not_due_are_not_read() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run().await;
    fixture.execute("UPDATE outbox SET due_at = clock_timestamp() + interval '1 hour'").await.unwrap();
    assert_eq!(due(&fixture, 10).await, []);
    assert_eq!(fixture.outbox_entries(id).await, 1, "it is published when it is due");
    let seconds = next_due_in(&mut *fixture.conn().await).await.unwrap().unwrap().as_secs();
    assert!((3500..=3600).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_cancelled_run_has_no_entry() {
    let fixture = Fixture::new().await;
    let in_73_years = "2099-01-01T00:00:00Z".parse().unwrap();
    let id = fixture.create_run_with(|spec| spec.run_after = Some(in_73_years)).await;
    assert_eq!(fixture.outbox_entries(id).await, 1);
    cancel_run(&mut *fixture.conn().await, id, "ana").await.unwrap();
    assert_eq!(fixture.outbox_entries(id).await, 0);
    retry_run(&mut *fixture.conn().await, id, "ana").await.unwrap();
    assert_eq!(due(&fixture, 10).await, [id], "a retry starts at once");
}

#[tokio::test]
async fn the_entry_of_a_postponed_run_is_due_at_its_new_time() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run().await;
    fixture.execute("UPDATE training_runs SET run_after = clock_timestamp() + interval '1 hour'").await.unwrap();
    assert_eq!(due(&fixture, 10).await, []);
    assert_eq!(fixture.number("SELECT count(*) FROM outbox o JOIN training_runs r ON r.id = o.run_id AND o.due_at = r.run_after").await, 1);
    fixture.execute("UPDATE training_runs SET run_after = clock_timestamp(); UPDATE outbox SET due_at = clock_timestamp()").await.unwrap();
    assert_eq!(due(&fixture, 10).await, [id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_relays_share_the_entries() {
    const RUNS: usize = 60;
    const RELAYS: usize = 4;
    let fixture = Fixture::new().await;
    let mut created = BTreeSet::new();
    for _ in 0..RUNS {
        created.insert(fixture.create_run().await);
    }
    let barrier = Arc::new(Barrier::new(RELAYS));
    let relays: Vec<_> = (0..RELAYS)
        .map(|_| {
            let (pool, barrier) = (fixture.pool().clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                let mut tx = pool.begin().await.unwrap();
                barrier.wait().await;
                let (ids, run_ids): (Vec<i64>, Vec<RunId>) =
                    due_outbox_entries(&mut tx, (RUNS / RELAYS) as i64).await.unwrap().into_iter().unzip();
                // all of them hold their entries before the first one commits
                barrier.wait().await;
                record_publication(&mut tx, &run_ids).await.unwrap();
                delete_published(&mut tx, &ids).await.unwrap();
                tx.commit().await.unwrap();
                run_ids
            })
        })
        .collect();
    let mut taken = Vec::new();
    for relay in relays {
        taken.extend(tokio::time::timeout(TIMEOUT, relay).await.unwrap().unwrap());
    }
    assert_eq!(taken.len(), RUNS, "no entry is read twice");
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), created);
    assert_eq!(fixture.number("SELECT count(*) FROM outbox").await, 0);
}
