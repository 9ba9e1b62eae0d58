//! What the relay takes from the outbox, and what it leaves there.

use std::collections::BTreeSet;
use std::sync::Arc;

use runs::{RunId, announced, cancel_run, due_announcements, next_due_in};
use tokio::sync::Barrier;

use crate::fixture::{Fixture, LIMIT};

async fn due(fixture: &Fixture, limit: i64) -> Vec<RunId> {
    let due = due_announcements(&mut *fixture.conn().await, limit).await.unwrap();
    due.into_iter().map(|(_, run_id)| run_id).collect()
}

#[tokio::test]
async fn what_is_due_for_the_longest_comes_first_whatever_its_priority() {
    let fixture = Fixture::new().await;
    let first = fixture.queued().await;
    let urgent = fixture.queued_with(|spec| spec.priority = 100).await;
    let last = fixture.queued().await;
    fixture.execute(&format!("UPDATE outbox SET due_at = due_at - interval '1 minute' WHERE run_id = '{last}'")).await.unwrap();
    assert_eq!(due(&fixture, 2).await, [last, first]);
    assert_eq!(due(&fixture, 10).await, [last, first, urgent]);
    // the order of announcements is not that of claims
    assert_eq!(fixture.claim().await.unwrap().run.id, urgent);
}

#[tokio::test]
async fn rows_of_runs_that_do_not_wait_go_even_where_they_fill_whole_batches() {
    let fixture = Fixture::new().await;
    for _ in 0..5 {
        let id = fixture.queued().await;
        cancel_run(&mut *fixture.conn().await, id, "ana").await.unwrap();
    }
    let waiting = fixture.queued().await;
    assert_eq!(due(&fixture, 2).await, [waiting]);
    assert_eq!(fixture.number("SELECT count(*) FROM outbox").await, 1);
}

#[tokio::test]
async fn rows_that_are_not_due_are_not_looked_at() {
    let fixture = Fixture::new().await;
    let id = fixture.queued().await;
    fixture.execute("UPDATE outbox SET due_at = clock_timestamp() + interval '1 hour'").await.unwrap();
    cancel_run(&mut *fixture.conn().await, id, "ana").await.unwrap();
    assert_eq!(due(&fixture, 10).await, []);
    assert_eq!(fixture.announcements(id).await, 1, "it goes when its time has come");
    let seconds = next_due_in(&mut *fixture.conn().await).await.unwrap().unwrap().as_secs();
    assert!((3500..=3600).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_run_that_was_put_off_meanwhile_is_announced_at_its_new_time() {
    let fixture = Fixture::new().await;
    let id = fixture.queued().await;
    fixture.execute("UPDATE training_runs SET run_after = clock_timestamp() + interval '1 hour'").await.unwrap();
    assert_eq!(due(&fixture, 10).await, []);
    assert_eq!(fixture.number("SELECT count(*) FROM outbox o JOIN training_runs r ON r.id = o.run_id AND o.due_at = r.run_after").await, 1);
    fixture.execute("UPDATE training_runs SET run_after = clock_timestamp(); UPDATE outbox SET due_at = clock_timestamp()").await.unwrap();
    assert_eq!(due(&fixture, 10).await, [id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn relays_at_once_share_the_rows() {
    const RUNS: usize = 60;
    const RELAYS: usize = 4;
    let fixture = Fixture::new().await;
    let mut created = BTreeSet::new();
    for _ in 0..RUNS {
        created.insert(fixture.queued().await);
    }
    let barrier = Arc::new(Barrier::new(RELAYS));
    let relays: Vec<_> = (0..RELAYS)
        .map(|_| {
            let (pool, barrier) = (fixture.pool().clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                let mut tx = pool.begin().await.unwrap();
                barrier.wait().await;
                let (ids, run_ids): (Vec<i64>, Vec<RunId>) =
                    due_announcements(&mut tx, (RUNS / RELAYS) as i64).await.unwrap().into_iter().unzip();
                // all of them hold what they took before the first lets go
                barrier.wait().await;
                announced(&mut tx, &ids, &run_ids).await.unwrap();
                tx.commit().await.unwrap();
                run_ids
            })
        })
        .collect();
    let mut taken = Vec::new();
    for relay in relays {
        taken.extend(tokio::time::timeout(LIMIT, relay).await.unwrap().unwrap());
    }
    assert_eq!(taken.len(), RUNS, "none is taken twice");
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), created);
    assert_eq!(fixture.number("SELECT count(*) FROM outbox").await, 0);
}
