//! Sweeps: trials with different parameters, of which the best is published.

use aprendiz_test_gate::Point;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::{Hold, TIMEOUT, TestApp, expect_json, parse_id};

fn sweep_spec(params: &Value) -> Value {
    // one attempt, so that a killed training process fails its trial
    json!({ "model": "contracts", "kind": "sweep", "max_attempts": 1, "params": params })
}

fn four_trials() -> Value {
    sweep_spec(&json!({ "space": { "l2": [0.01, 0.1, 1, 10] } }))
}

async fn trials(app: &TestApp, sweep: Uuid) -> Vec<Value> {
    let listed = app.api().json(&format!("/v1/training-runs/{sweep}/trials")).await;
    listed["items"].as_array().expect("a list").clone()
}

fn of_role<'a>(trials: &'a [Value], role: &str) -> Vec<&'a Value> {
    trials.iter().filter(|trial| trial["role"] == role).collect()
}

/// The trial that a worker executes.
async fn running_trial(app: &TestApp, sweep: Uuid) -> Uuid {
    let trials = trials(app, sweep).await;
    let running = trials.iter().find(|trial| trial["status"] == "running").expect("a trial is running");
    running["run_id"].as_str().expect("a text").parse().expect("an ID")
}

/// Checks that a sweep over these many trials published the best of them, once.
async fn check_published(app: &TestApp, sweep: Uuid, count: usize) {
    let trials = trials(app, sweep).await;
    let (tried, winners) = (of_role(&trials, "trial"), of_role(&trials, "winner"));
    assert_eq!((tried.len(), winners.len()), (count, 1), "{trials:?}");
    let value = |trial: &Value| trial["value"].as_f64();
    let best = tried.iter().filter_map(|trial| value(trial)).fold(f64::MIN, f64::max);
    let chosen = tried.iter().find(|trial| trial["trial"] == winners[0]["trial"]).expect("the winner is one of the trials");
    assert_eq!(value(chosen), Some(best), "{trials:?}");
    assert!(chosen["low"].as_f64().is_some_and(|low| low <= best) && chosen["high"].as_f64().is_some_and(|high| high >= best));
    // equal trials: the first one
    let first = tried.iter().filter(|trial| value(trial) == Some(best)).filter_map(|trial| trial["trial"].as_i64()).min();
    assert_eq!(winners[0]["trial"].as_i64(), first);

    let winner = parse_id(&json!({ "id": winners[0]["run_id"] }));
    let versions: Vec<(Uuid, i32)> = sqlx::query_as("SELECT run_id, number FROM model_versions").fetch_all(app.pool()).await.unwrap();
    assert_eq!(versions, [(winner, 1)]);
    assert_eq!((&app.run(sweep).await["model_version"], &app.run(winner).await["parent_run_id"]), (&json!(1), &json!(sweep)));
    assert_eq!(app.run(winner).await["spec"]["params"]["l2"], chosen["chosen"]["l2"]);
    // only the winner reads the test split
    let tested: Vec<Uuid> =
        sqlx::query_scalar("SELECT DISTINCT run_id FROM metrics WHERE split = 'test'").fetch_all(app.pool()).await.unwrap();
    assert_eq!(tested, [winner]);
    assert_eq!(app.count("SELECT count(DISTINCT dataset_id) FROM training_runs").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM datasets").await, 1);
}

#[tokio::test]
async fn one_worker_runs_a_grid_in_which_a_trial_fails() {
    let app = TestApp::with_import(contracts()).await;
    let hold = Hold::at(&app, Point::Step(2));
    let worker = app.env.worker("worker-1", &[]);
    let sweep = app.create_run(&four_trials()).await;
    hold.wait_until_reached().await.kill();
    drop(hold);
    let run = app.wait_for_success(sweep).await;
    assert_eq!((&run["kind"], &run["attempts_used"]), (&json!("sweep"), &json!(1)));
    check_published(&app, sweep, 4).await;
    let listed = trials(&app, sweep).await;
    let failed: Vec<&Value> = listed.iter().filter(|trial| trial["status"] == "failed").collect();
    assert_eq!((failed.len(), &failed[0]["error_code"]), (1, &json!("child_killed")), "{listed:?}");
    assert_eq!(listed.last(), Some(failed[0]), "trials without a result come last");

    // lists show the sweep and its winner, and the trials on request
    let count = async |query: &str| app.api().json(&format!("/v1/training-runs{query}")).await["items"].as_array().unwrap().len();
    assert_eq!((count("").await, count("?trials=true").await, count(&format!("?parent={sweep}")).await), (2, 6, 5));
    let shown = app.cli(&["run", "get", &sweep.to_string()]);
    assert_eq!(shown["trial_runs"].as_array().unwrap().len(), 5);
    assert!(shown["metrics"].as_array().unwrap().iter().any(|metric| metric["split"] == "test"), "the metrics are those of the winner");
    let output = app.env.cli(&app.server, &["run", "get", &sweep.to_string()]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("succeeded: contracts version 1") && text.contains("failed (child_killed)"), "{text}");
    let single = failed[0]["run_id"].as_str().unwrap();
    let problem = expect_json(app.api().post(&format!("/v1/training-runs/{single}/retry")), 409).await;
    assert!(problem["detail"].as_str().unwrap().contains("retry its parent run"), "{problem}");
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_cancelled_sweep_stops_all_trials_and_a_retry_continues() {
    let app = TestApp::with_import(contracts()).await;
    let hold = Hold::at(&app, Point::Step(2));
    let worker = app.env.worker("worker-1", &[]);
    let sweep = app.create_run(&four_trials()).await;
    let child = hold.wait_until_reached().await;
    let trial = running_trial(&app, sweep).await;
    let explained = app.api().json(&format!("/v1/training-runs/{sweep}/explain")).await;
    assert!(explained["summary"].as_str().unwrap().starts_with("waiting for its trials: 0 ended, "), "{explained}");
    let run = expect_json(app.api().post(&format!("/v1/training-runs/{sweep}/cancel")), 200).await;
    assert_eq!(run["status"], "cancelled", "it holds no slot");
    // the training is held: its run ends only if its process is killed
    assert_eq!(app.wait_for_end(trial).await["status"], "cancelled");
    child.wait_for_exit().await;
    for trial in trials(&app, sweep).await {
        let id = trial["run_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(app.wait_for_end(id).await["status"], "cancelled");
    }
    assert_eq!(app.count("SELECT count(*) FROM model_versions").await, 0);
    drop(hold);

    expect_json(app.api().post(&format!("/v1/training-runs/{sweep}/retry")), 202).await;
    app.wait_for_success(sweep).await;
    check_published(&app, sweep, 4).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_killed_worker_neither_loses_nor_repeats_a_trial() {
    let app = TestApp::with_import(contracts()).await;
    let hold = Hold::at(&app, Point::Step(2));
    let mut worker = app.env.worker("worker-1", &[]);
    let spec = json!({ "model": "contracts", "kind": "sweep", "params": { "space": { "l2": [0.01, 0.1, 1, 10] }, "concurrency": 1 } });
    let sweep = app.create_run(&spec).await;
    let child = hold.wait_until_reached().await;
    worker.kill();
    worker.wait(TIMEOUT).await;
    child.wait_for_exit().await;
    let trial = running_trial(&app, sweep).await;
    drop(hold);
    app.expire_lease(trial).await;
    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(sweep).await;
    check_published(&app, sweep, 4).await;
    assert_eq!(app.attempt_statuses(trial).await, ["lost", "succeeded"]);
    drop((worker, second));
    app.finish().await;
}

#[tokio::test]
async fn successive_halving_trains_the_best_again_on_the_whole() {
    let app = TestApp::with_import(contracts()).await;
    let worker = app.env.worker("worker-1", &[]);
    let created = app.cli(&["sweep", "--model", "contracts", "--space", "l2=0.01,0.1,1,10", "--halving", "2,2", "--metric", "log_loss"]);
    let sweep = parse_id(&created);
    app.wait_for_success(sweep).await;
    let listed = trials(&app, sweep).await;
    let rung = |number: i64| listed.iter().filter(|trial| trial["role"] == "trial" && trial["rung"] == number).collect::<Vec<_>>();
    let (first, last) = (rung(1), rung(2));
    assert_eq!((first.len(), last.len()), (4, 2), "{listed:?}");
    assert!(first.iter().all(|trial| trial["train_fraction"] == 0.5) && last.iter().all(|trial| trial["train_fraction"].is_null()));
    // the list is sorted, so the two with the smallest loss went on
    let mut best: Vec<i64> = first[..2].iter().filter_map(|trial| trial["trial"].as_i64()).collect();
    let mut went_on: Vec<i64> = last.iter().filter_map(|trial| trial["trial"].as_i64()).collect();
    best.sort_unstable();
    went_on.sort_unstable();
    assert_eq!(best, went_on, "{listed:?}");
    assert_eq!(listed[0]["role"], "winner");
    assert_eq!(listed[0]["trial"], last[0]["trial"], "the smallest loss of the last rung wins");
    assert_eq!(app.run(sweep).await["model_version"], 1);
    drop(worker);
    app.finish().await;
}
