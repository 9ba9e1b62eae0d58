//! Lists of runs by a metric, of models, of their main metrics, and of snapshots.

use aprendiz_db::Scope;
use aprendiz_runs::{
    AttemptId, MetricOrder, NewMetric, RunFilter, RunId, list_datasets, list_headlines, list_models, list_runs_by_metric, publish,
};

use crate::fixture::Fixture;

fn metric(split: &'static str, field: Option<&str>, name: &str, value: f64) -> NewMetric {
    NewMetric { split, field: field.map(str::to_owned), name: name.to_owned(), value: Some(value), details: None }
}

async fn publish_with(fixture: &Fixture, attempt: AttemptId, metrics: &[NewMetric]) -> RunId {
    let trained = fixture.trained(attempt, &[]).await;
    publish(&mut *fixture.conn().await, attempt, Some(&trained.version()), metrics).await.unwrap();
    attempt.run_id
}

/// The runs in their order, read in pages of two.
async fn read_all(fixture: &Fixture, filter: &RunFilter, order: &MetricOrder) -> Vec<(RunId, Option<f64>)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = list_runs_by_metric(&mut *fixture.conn().await, &Scope::All, filter, order, after, 2).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.cursor());
        all.extend(page.iter().map(|ranked| (ranked.run.id, ranked.value)));
    }
}

#[tokio::test]
async fn runs_are_sorted_by_a_metric_and_those_without_it_come_last() {
    let fixture = Fixture::new().await;
    let mut runs = Vec::new();
    for value in [0.5, 0.9, 0.9, 0.1] {
        let attempt = fixture.running().await;
        let metrics = [
            metric("test", Some("law"), "accuracy", value),
            metric("test", None, "accuracy", 1.0 - value),
            metric("validation", Some("law"), "accuracy", 0.3),
        ];
        runs.push(publish_with(&fixture, attempt, &metrics).await);
    }
    let without = [fixture.create_run().await, fixture.create_run().await, fixture.create_run().await];
    let order = |field: Option<&str>, ascending| MetricOrder {
        field: field.map(str::to_owned),
        name: "accuracy".to_owned(),
        split: "test".to_owned(),
        ascending,
    };
    let rest = [(without[2], None), (without[1], None), (without[0], None)];
    let expected =
        |order: [(usize, f64); 4]| -> Vec<_> { order.into_iter().map(|(index, value)| (runs[index], Some(value))).chain(rest).collect() };
    let all = RunFilter::default();
    // equal values: newest first, in either direction
    assert_eq!(read_all(&fixture, &all, &order(Some("law"), false)).await, expected([(2, 0.9), (1, 0.9), (0, 0.5), (3, 0.1)]));
    assert_eq!(read_all(&fixture, &all, &order(Some("law"), true)).await, expected([(3, 0.1), (0, 0.5), (2, 0.9), (1, 0.9)]));
    let totals: Vec<RunId> = read_all(&fixture, &all, &order(None, false)).await.into_iter().take(4).map(|(run, _)| run).collect();
    assert_eq!(totals, [runs[3], runs[0], runs[2], runs[1]]);
    let succeeded = RunFilter { status: Some(aprendiz_runs::RunStatus::Succeeded), ..RunFilter::default() };
    assert_eq!(read_all(&fixture, &succeeded, &order(Some("law"), false)).await.len(), 4);
    let unknown = read_all(&fixture, &all, &MetricOrder { name: "unknown".to_owned(), ..order(None, false) }).await;
    assert_eq!((unknown.len(), unknown[0]), (7, (without[2], None)));
}

#[tokio::test]
async fn models_name_their_owner_and_versions_their_main_metrics() {
    let fixture = Fixture::new().await;
    for value in [0.5, 0.75] {
        let attempt = fixture.running().await;
        let metrics = [
            metric("test", Some("law"), "accuracy", value),
            metric("test", Some("law"), "n", 40.0),
            metric("test", Some("law"), "coverage", 0.25),
            metric("test", None, "accuracy", value),
            metric("validation", Some("law"), "accuracy", 0.1),
        ];
        publish_with(&fixture, attempt, &metrics).await;
    }
    let mut conn = fixture.conn().await;
    let models = list_models(&mut conn, &Scope::All, None, 10).await.unwrap();
    let model = &models[0];
    assert_eq!((models.len(), model.owner.as_str(), model.versions, model.newest_version), (1, "ana", 2, 2));
    assert!(list_models(&mut conn, &Scope::All, Some("contracts"), 10).await.unwrap().is_empty());
    let version = aprendiz_runs::find_version(&mut conn, "contracts", Some(2)).await.unwrap().unwrap();
    let headlines = list_headlines(&mut conn, &[version.run_id]).await.unwrap();
    let fields = &headlines[0].fields;
    assert_eq!((fields.len(), fields[0].field.as_deref(), fields[1].field.as_deref()), (2, Some("law"), None));
    assert_eq!(
        (fields[0].metric.as_deref(), fields[0].value, fields[0].n, fields[0].coverage),
        (Some("accuracy"), Some(0.75), Some(40), Some(0.25))
    );
}

#[tokio::test]
async fn snapshots_are_paged_with_the_runs_that_use_them() {
    let fixture = Fixture::new().await;
    let (older, newer) = (fixture.dataset().await, fixture.dataset().await);
    let (first, second) = (fixture.create_run().await, fixture.create_run().await);
    fixture.execute(&format!("UPDATE training_runs SET dataset_id = '{older}' WHERE id IN ('{first}', '{second}')")).await.unwrap();
    fixture.execute(r#"UPDATE datasets SET files = '[{"path": "a", "bytes": 5}, {"path": "b", "bytes": 7}]'"#).await.unwrap();
    let mut conn = fixture.conn().await;
    let page = list_datasets(&mut conn, &Scope::All, None, 1).await.unwrap();
    assert_eq!((page.len(), page[0].id, page[0].runs, page[0].bytes), (1, newer, 0, 12));
    let page = list_datasets(&mut conn, &Scope::All, Some(newer), 5).await.unwrap();
    assert_eq!((page.len(), page[0].id, page[0].runs, page[0].latest_runs.clone()), (1, older, 2, vec![second, first]));
}
