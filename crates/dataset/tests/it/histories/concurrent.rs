//! Concurrent writers with long transactions.
//!
//! Outcomes depend on which writer commits first. But nothing at or below a resolved position appears later, no writer deadlocks, and
//! finally the current state agrees with the events.

use std::cell::Cell;

use aprendiz_test_support::TestDatabase;
use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sqlx::{Connection as _, PgConnection};

use super::command::{Command, Form, Review, Task, review, task};
use super::{runner, world};

const CASES: u32 = 4;
const WRITERS: usize = 3;
const MAX_COMMANDS: usize = 8;

/// A command, and the number of rows to count before its transaction commits. Until then its positions are allocated but not visible.
type Step = (Command, u32);

fn step() -> impl Strategy<Value = Step> {
    let form = prop_oneof![Just(Form::Categorical), Just(Form::Text)];
    let command = prop_oneof![
        2 => prop::collection::vec(task(), 1..=1).prop_map(Command::Import),
        5 => review().prop_map(|review| Command::Review(Review { up_to_date: true, ..review })),
        1 => (0..super::DOCUMENTS, 0..3_u8, 0..3_u8).prop_map(|(document, text, title)| Command::Create { document, text, title }),
        1 => (0..super::FIELDS.len(), form).prop_map(|(field, form)| Command::Redefine { field, form }),
    ];
    (command, prop_oneof![Just(0_u32), 0..100_000_u32])
}

#[test]
fn nothing_at_or_below_a_resolved_position_appears_later() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (database, mut conn) = runtime.block_on(async {
        let database = TestDatabase::create().await;
        let conn = PgConnection::connect(database.url()).await.unwrap();
        (database, conn)
    });
    let (mut runner, seed) = runner(CASES);
    let conn = std::cell::RefCell::new(&mut conn);
    let writers = prop::collection::vec(prop::collection::vec(step(), 1..=MAX_COMMANDS), WRITERS);
    let outcome = runner.run(&writers, |writers| {
        let mut conn = conn.borrow_mut();
        runtime.block_on(case(&mut conn, database.url(), &writers)).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("PROPTEST_RNG_SEED={seed}: {error}");
    }
}

async fn case(conn: &mut PgConnection, url: &str, writers: &[Vec<Step>]) -> Result<(), String> {
    world::empty(conn).await;
    // all documents but the last exist from the start, so that writers contend for them
    let task = |document| Task { document, text: 0, title: 0, annotations: Vec::new(), prediction: None };
    world::import(conn, &[task(0), task(1)]).await.map_err(|error| error.to_string())?;

    let active = Cell::new(writers.len());
    let writing = writers.iter().enumerate().map(async |(writer, steps)| {
        let outcome = write(url, writer, steps).await;
        active.set(active.get() - 1);
        outcome
    });
    let watching = async {
        let mut resolved = Vec::new();
        while active.get() > 0 {
            let position = world::newest_position(conn).await;
            resolved.push((position, digest(conn, position).await));
            tokio::task::yield_now().await;
        }
        for (position, before) in resolved {
            let after = digest(conn, position).await;
            if before != after {
                return Err(format!("after position {position} was resolved, {before:?} became {after:?}"));
            }
        }
        Ok(())
    };
    let (written, watched) = futures::join!(join_all(writing), watching);
    for outcome in written {
        outcome?;
    }
    watched?;
    compare_current(conn).await
}

/// Runs the commands of one writer, each in a transaction that stays open for a while.
async fn write(url: &str, writer: usize, steps: &[Step]) -> Result<(), String> {
    let mut conn = PgConnection::connect(url).await.map_err(|error| error.to_string())?;
    for (number, (command, rows)) in steps.iter().enumerate() {
        let describe = |error: &dyn std::fmt::Display| format!("writer {writer}, command {number}, {command:?}: {error}");
        let mut transaction = conn.begin().await.map_err(|error| describe(&error))?;
        match command {
            Command::Import(tasks) => world::import(&mut transaction, tasks).await.map_err(|error| describe(&error))?,
            Command::Review(review) => {
                use aprendiz_annotations::reviews::ReviewError as E;
                let request = world::request(&mut transaction, review, &format!("key/{writer}/{number}")).await;
                let outcome = match request {
                    Ok(request) => world::write(&mut transaction, request).await.map(drop),
                    Err(error) => Err(error),
                };
                match outcome {
                    // another writer was first
                    Ok(()) | Err(E::UnknownDocument(_) | E::Stale { .. } | E::NothingToUndo { .. }) => {}
                    Err(error) => return Err(describe(&error)),
                }
            }
            Command::Create { document, text, title } => match world::create(&mut transaction, *document, *text, *title).await {
                Ok(_) | Err(aprendiz_annotations::import::ImportError::DocumentExists { .. }) => {}
                Err(error) => return Err(describe(&error)),
            },
            Command::Redefine { field, form } => drop(world::redefine(&mut transaction, *field, *form).await),
            Command::Repeat(_) => {}
        }
        // keep the transaction open, as a loaded server would
        sqlx::query("SELECT count(*) FROM generate_series(1, $1)")
            .bind(i64::from(*rows))
            .execute(&mut *transaction)
            .await
            .map_err(|error| describe(&error))?;
        transaction.commit().await.map_err(|error| describe(&error))?;
    }
    conn.close().await.map_err(|error| error.to_string())
}

/// Number and hash of all rows at or below the position.
async fn digest(conn: &mut PgConnection, position: i64) -> Vec<String> {
    let mut digests = Vec::new();
    for sql in [
        "SELECT count(*) || ' events ' || coalesce(md5(string_agg(e::text, E'\\n' ORDER BY position)), '') FROM annotation_events e WHERE position <= $1",
        "SELECT count(*) || ' texts ' || coalesce(md5(string_agg(t::text, E'\\n' ORDER BY position)), '') FROM document_texts t WHERE position <= $1",
        "SELECT count(*) || ' details ' || coalesce(md5(string_agg(v::text, E'\\n' ORDER BY position)), '') FROM document_details v WHERE position <= $1",
        "SELECT count(*) || ' splits ' || coalesce(md5(string_agg(s::text, E'\\n' ORDER BY position)), '') FROM document_splits s WHERE position <= $1",
        "SELECT count(*) || ' definitions ' || coalesce(md5(string_agg(f::text, E'\\n' ORDER BY position)), '') FROM field_definitions f WHERE position <= $1",
    ] {
        digests.push(sqlx::query_scalar::<_, String>(sql).bind(position).fetch_one(&mut *conn).await.unwrap());
    }
    digests
}

/// Checks that the current state equals the latest event, and that no row exists without a state.
async fn compare_current(conn: &mut PgConnection) -> Result<(), String> {
    let wrong: Vec<String> = sqlx::query_scalar(
        "SELECT coalesce(a::text, '(no state)') || ' but ' || coalesce(e::text, '(no event)')
         FROM annotations a
         FULL JOIN (
             SELECT DISTINCT ON (document_id, field) document_id, field, position, occurred_at,
                    CASE WHEN review_status <> 'UNREVIEWED' THEN value END AS accepted
             FROM annotation_events
             ORDER BY document_id, field, occurred_at DESC, octet_length(source_ref) DESC, source_ref COLLATE \"C\" DESC, source COLLATE \"C\" DESC
         ) e USING (document_id, field)
         WHERE (a.event_position, a.occurred_at, a.accepted_value) IS DISTINCT FROM (e.position, e.occurred_at, e.accepted)
            OR (a.event_position IS NULL AND a.predicted_value IS NULL)",
    )
    .fetch_all(conn)
    .await
    .unwrap();
    if wrong.is_empty() { Ok(()) } else { Err(format!("current states: {wrong:#?}")) }
}
