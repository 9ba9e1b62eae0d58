//! Wrong predictions of runs: recorded by the attempt that completes the run, filtered, sorted, paged.

use aprendiz_db::AdvisoryLock;
use aprendiz_run_spec::RunKind;
use aprendiz_runs::{
    AttemptId, ERRORS_METRIC, ErrorFilter, ErrorOrder, NewMetric, NewRunError, RunErrorRow, RunsError, SliceFilter, count_errors,
    list_errors, list_metrics, list_slice_dimensions, publish, record_errors,
};
use serde_json::json;
use uuid::Uuid;

use crate::fixture::Fixture;

fn error(document_id: Uuid, field: &str, predicted: &[&str], confidence: Option<f64>, loss: Option<f64>) -> NewRunError {
    NewRunError {
        split: "test",
        field: field.to_owned(),
        document_id,
        gold: vec!["Texas".to_owned()],
        predicted: predicted.iter().map(|value| (*value).to_owned()).collect(),
        confidence,
        loss,
        answered: Some(true),
        top: None,
        slices: None,
    }
}

async fn complete(fixture: &Fixture, attempt: AttemptId, errors: &[NewRunError]) {
    let mut conn = fixture.conn().await;
    record_errors(&mut conn, attempt, errors).await.unwrap();
    let details = Some(json!({ "recorded": errors.len() }));
    let count = NewMetric { split: "test", field: None, name: ERRORS_METRIC.to_owned(), value: Some(errors.len() as f64), details };
    publish(&mut conn, attempt, None, &[count]).await.unwrap();
}

/// All errors in their order, read in pages of two.
async fn read_all(fixture: &Fixture, attempt: AttemptId, filter: impl Fn() -> ErrorFilter) -> Vec<RunErrorRow> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let filter = ErrorFilter { after: after.clone(), ..filter() };
        let page = list_errors(&mut *fixture.conn().await, attempt.run_id, &filter, 2).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.cursor(filter.order));
        all.extend(page);
    }
}

#[tokio::test]
async fn errors_are_paged_by_confidence_or_loss_without_gaps() {
    let fixture = Fixture::new().await;
    let run = fixture.create_run_with(|spec| spec.kind = RunKind::Evaluate).await;
    let attempt = fixture.claim_run(run).await;
    let mut documents = Vec::new();
    for _ in 0..5 {
        documents.push(fixture.document().await);
    }
    let errors = [
        error(documents[0], "law", &["Utah"], Some(0.5), Some(0.1)),
        error(documents[1], "law", &[], None, None),
        error(documents[2], "law", &["Utah"], Some(0.9), Some(2.0)),
        // equal confidence: field, then document
        error(documents[3], "kind", &["Ohio"], Some(0.9), Some(3.0)),
        error(documents[4], "law", &["Ohio"], Some(0.9), Some(1.0)),
    ];
    complete(&fixture, attempt, &errors).await;
    let order = |rows: &[RunErrorRow]| -> Vec<usize> {
        rows.iter().map(|row| documents.iter().position(|document| *document == row.document_id).unwrap()).collect()
    };
    let rows = read_all(&fixture, attempt, ErrorFilter::default).await;
    assert_eq!(order(&rows), [3, 2, 4, 0, 1]);
    assert_eq!((rows[0].source.as_str(), rows[0].project.as_str(), rows[0].task_id.as_str()), ("test", "1", &*documents[3].to_string()));
    let by_loss = || ErrorFilter { order: ErrorOrder::Loss, ..ErrorFilter::default() };
    assert_eq!(order(&read_all(&fixture, attempt, by_loss).await), [1, 3, 2, 4, 0]);

    let none = || ErrorFilter { predicted: Some(String::new()), ..ErrorFilter::default() };
    assert_eq!(order(&read_all(&fixture, attempt, none).await), [1]);
    let utah = || ErrorFilter { predicted: Some("Utah".to_owned()), gold: Some("Texas".to_owned()), ..ErrorFilter::default() };
    assert_eq!(order(&read_all(&fixture, attempt, utah).await), [2, 0]);
    let confident = || ErrorFilter { field: Some("law".to_owned()), min_confidence: Some(0.9), ..ErrorFilter::default() };
    assert_eq!(order(&read_all(&fixture, attempt, confident).await), [2, 4]);
    let validation = || ErrorFilter { split: Some("validation".to_owned()), ..ErrorFilter::default() };
    assert!(read_all(&fixture, attempt, validation).await.is_empty());
    let counts = count_errors(&mut *fixture.conn().await, attempt.run_id).await.unwrap();
    assert_eq!(counts.iter().map(|count| (count.split.as_str(), count.total, count.recorded)).collect::<Vec<_>>(), [("test", 5, 5)]);
}

#[tokio::test]
async fn errors_are_filtered_by_the_slices_of_the_metrics() {
    let fixture = Fixture::new().await;
    let run = fixture.create_run_with(|spec| spec.kind = RunKind::Evaluate).await;
    let attempt = fixture.claim_run(run).await;
    let mut errors = Vec::new();
    for customer in [Some("ACME"), Some("(none)"), Some("rare"), Some("rarer"), None] {
        let slices = customer.map(|customer| {
            [("source", "test"), ("metadata.customer", customer)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        });
        errors.push(NewRunError { slices, ..error(fixture.document().await, "law", &["Utah"], None, None) });
    }
    let mut conn = fixture.conn().await;
    record_errors(&mut conn, attempt, &errors).await.unwrap();
    let slices = |values: &[&str]| values.iter().map(|value| json!({ "value": value })).collect::<Vec<_>>();
    let details = |customers: &[&str]| {
        let dimensions = [("source", slices(&["test"])), ("metadata.customer", slices(customers))];
        json!({ "dimensions": dimensions.map(|(name, slices)| json!({ "dimension": name, "slices": slices })) })
    };
    // a value that has a slice of its own in one field has it in every field
    let metric = |field: &str, customers: &[&str]| NewMetric {
        split: "reviewed",
        field: Some(field.to_owned()),
        name: "slices".to_owned(),
        value: None,
        details: Some(details(customers)),
    };
    let metrics = [metric("law", &["ACME", "(other)"]), metric("kind", &["(none)"])];
    publish(&mut conn, attempt, None, &metrics).await.unwrap();
    assert_eq!(list_slice_dimensions(&mut conn, run).await.unwrap(), ["source", "metadata.customer"]);

    for (dimension, value, expected) in [
        ("metadata.customer", "ACME", &[0][..]),
        ("metadata.customer", "(none)", &[1]),
        ("metadata.customer", "rare", &[2]),
        ("metadata.customer", "(other)", &[2, 3]),
        ("metadata.customer", "absent", &[]),
        ("source", "test", &[0, 1, 2, 3]),
        ("source", "(other)", &[]),
        ("reviewer", "(other)", &[]),
    ] {
        let slice = SliceFilter { dimension: dimension.to_owned(), value: value.to_owned() };
        let filter = || ErrorFilter { slice: Some(slice.clone()), ..ErrorFilter::default() };
        let mut found: Vec<usize> = read_all(&fixture, attempt, filter)
            .await
            .iter()
            .map(|row| errors.iter().position(|error| error.document_id == row.document_id).unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{dimension}:{value}");
    }
    let other = fixture.running().await;
    assert!(list_slice_dimensions(&mut conn, other.run_id).await.unwrap().is_empty());
}

#[tokio::test]
async fn slices_of_metadata_are_left_out_if_a_document_was_erased_meanwhile() {
    for (keys, names) in [(&["customer"][..], &["accuracy"][..]), (&[], &["accuracy", "slices", "worst_slices"])] {
        let fixture = Fixture::new().await;
        let run = fixture
            .create_run_with(|spec| {
                spec.kind = RunKind::Evaluate;
                spec.slices = keys.iter().map(|key| (*key).to_owned()).collect();
            })
            .await;
        let attempt = fixture.claim_run(run).await;
        sqlx::query(
            "INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets) VALUES ($1, 'a', 'r', 1, 0, 0, 0)",
        )
        .bind(fixture.document().await)
        .execute(fixture.pool())
        .await
        .unwrap();
        let metrics = ["accuracy", "slices", "worst_slices"].map(|name| NewMetric {
            split: "reviewed",
            field: None,
            name: name.to_owned(),
            value: Some(1.0),
            details: None,
        });
        let mut conn = fixture.conn().await;
        publish(&mut conn, attempt, None, &metrics).await.unwrap();
        let recorded = list_metrics(&mut conn, run).await.unwrap();
        assert_eq!(recorded.iter().map(|metric| metric.name.as_str()).collect::<Vec<_>>(), names);
    }
}

#[tokio::test]
async fn an_attempt_that_does_not_own_the_run_records_nothing() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let errors = [error(fixture.document().await, "law", &["Utah"], None, None)];
    let other = AttemptId { number: attempt.number + 1, ..attempt };
    let lost = record_errors(&mut *fixture.conn().await, other, &errors).await.unwrap_err();
    assert!(matches!(lost, RunsError::LeaseLost { .. }), "{lost}");
    assert_eq!(fixture.number("SELECT count(*) FROM run_errors").await, 0);
    assert!(count_errors(&mut *fixture.conn().await, attempt.run_id).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_erasure_that_commits_first_keeps_its_document_out_of_the_errors() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let (erased, kept) = (fixture.document().await, fixture.document().await);
    let mut erasure = fixture.pool().begin().await.unwrap();
    AdvisoryLock::Erasure.lock(&mut erasure).await.unwrap();
    sqlx::query("INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets) VALUES ($1, 'a', 'r', 1, 0, 0, 0)")
        .bind(erased)
        .execute(&mut *erasure)
        .await
        .unwrap();
    let recording = {
        let pool = fixture.pool().clone();
        let errors = [error(erased, "law", &["Utah"], None, None), error(kept, "law", &["Utah"], None, None)];
        tokio::spawn(async move { record_errors(&mut pool.acquire().await.unwrap(), attempt, &errors).await })
    };
    fixture.wait_for_blocked_statement().await;
    erasure.commit().await.unwrap();
    recording.await.unwrap().unwrap();
    let rows = list_errors(&mut *fixture.conn().await, attempt.run_id, &ErrorFilter::default(), 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.document_id).collect::<Vec<_>>(), [kept]);
}
