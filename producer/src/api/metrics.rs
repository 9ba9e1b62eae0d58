//! `GET /metrics`: the numbers of this process, and those of the whole installation, read from database and Redis.
//!
//! The installation's are kept for a while, so that any number of scrapes costs one reading. They are written by hand and not set
//! in the recorder: when the database is away they are left out, and a stale number is not told as a present one.

use std::fmt::Write as _;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{counter, gauge, histogram};
use runs::{AttemptStatus, Figures, RunStatus, read_figures};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::state::AppState;
use crate::metrics::{CONNECTIONS, REQUEST_SECONDS, REQUESTS};

/// The database has so long to answer. Longer than Prometheus waits by default would help nobody.
const PATIENCE: Duration = Duration::from_secs(5);
/// A reading is told for so long, ...
const SHORTEST_KEEP: Duration = Duration::from_secs(5);
/// ... and for so many times as long as it took: however large the tables, reading takes a twentieth of one connection's time.
const KEEP_FACTOR: u32 = 20;

const STATUSES: [RunStatus; 7] = [
    RunStatus::Queued,
    RunStatus::Running,
    RunStatus::Retrying,
    RunStatus::Cancelling,
    RunStatus::Succeeded,
    RunStatus::Failed,
    RunStatus::Cancelled,
];
const OUTCOMES: [AttemptStatus; 5] =
    [AttemptStatus::Succeeded, AttemptStatus::Failed, AttemptStatus::Cancelled, AttemptStatus::Released, AttemptStatus::Lost];

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// What was read last, and until when it is told.
#[derive(Default)]
pub(crate) struct Readings {
    last: Mutex<Option<(Instant, String)>>,
}

/// Numbers of the server and of the installation, for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "probes", security(()),
    responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")),
)]
async fn metrics(State(state): State<AppState>) -> Response {
    let idle = state.pool.num_idle();
    let used = (state.pool.size() as usize).saturating_sub(idle);
    gauge!(CONNECTIONS, "state" => "used").set(used as f64);
    gauge!(CONNECTIONS, "state" => "idle").set(idle as f64);
    let installation = state.readings.installation(&state).await;
    let page = state.recorder.render() + &installation;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
}

impl Readings {
    /// The numbers of the installation as text. Scrapes at the same time wait for one reading.
    async fn installation(&self, state: &AppState) -> String {
        let mut last = self.last.lock().await;
        if let Some((until, text)) = &*last
            && Instant::now() < *until
        {
            return text.clone();
        }
        let read = async {
            let mut conn = state.pool.acquire().await.ok()?;
            let began = Instant::now();
            let figures = read_figures(&mut conn).await.ok()?;
            Some((figures, began.elapsed()))
        };
        let (read, depth) = tokio::join!(timeout(PATIENCE, read), state.redis.depth());
        let (figures, took) = read.ok().flatten().unzip();
        let text = in_text(figures.as_ref(), depth.ok());
        // an answer that did not come is not kept for long: it may come now
        let keep = SHORTEST_KEEP.max(took.unwrap_or_default() * KEEP_FACTOR);
        *last = Some((Instant::now() + keep, text.clone()));
        text
    }
}

/// One metric: its name, kind and meaning, then its samples as labels and value.
struct Metric<'a> {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    samples: Vec<(&'static str, &'a str, f64)>,
}

/// The numbers of the installation in Prometheus' text form; `None` for what did not answer.
pub(super) fn in_text(figures: Option<&Figures>, depth: Option<u64>) -> String {
    let up = |there: bool| f64::from(u8::from(there));
    let mut metrics = vec![Metric {
        name: "aprendiz_up",
        kind: "gauge",
        help: "Whether a service that this server needs answered",
        samples: vec![("service", "database", up(figures.is_some())), ("service", "redis", up(depth.is_some()))],
    }];
    if let Some(depth) = depth {
        metrics.push(single("aprendiz_redis_queue_depth", "Announcements in Redis that no worker has fetched yet", depth as f64));
    }
    if let Some(figures) = figures {
        metrics.extend(of_installation(figures));
    }
    let mut text = String::new();
    for Metric { name, kind, help, samples } in metrics {
        // writing into a string does not fail
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (label, value, number) in samples {
            let labels = if label.is_empty() { String::new() } else { format!("{{{label}=\"{value}\"}}") };
            let _ = writeln!(text, "{name}{labels} {number}");
        }
        text.push('\n');
    }
    text
}

fn of_installation(figures: &Figures) -> Vec<Metric<'static>> {
    let count = |number: i64| number as f64;
    let runs = STATUSES.map(|status| {
        let runs = figures.runs.iter().find(|(found, _)| *found == status).map_or(0, |(_, runs)| *runs);
        ("status", status.as_str(), count(runs))
    });
    let attempts = OUTCOMES.map(|outcome| {
        let attempts = figures.attempts.iter().find(|(found, _)| *found == outcome).map_or(0, |(_, attempts)| *attempts);
        ("outcome", outcome.as_str(), count(attempts))
    });
    let workers = [("alive", figures.workers_alive), ("draining", figures.workers_draining), ("silent", figures.workers_silent)];
    let slots = [("busy", figures.slots_busy), ("free", figures.slots_free)];
    vec![
        Metric { name: "aprendiz_runs", kind: "gauge", help: "Training runs by status", samples: runs.to_vec() },
        single(
            "aprendiz_oldest_runnable_age_seconds",
            "Time that the run waits that could have been claimed for the longest; 0 when none waits",
            figures.oldest_runnable_seconds.unwrap_or_default(),
        ),
        single("aprendiz_outbox_waiting", "Announcements that wait in the database, due or not", count(figures.outbox_waiting)),
        Metric {
            name: "aprendiz_workers",
            kind: "gauge",
            help: "Worker processes that have not stopped; silent ones gave no sign of life for 30 seconds",
            samples: workers.map(|(state, number)| ("state", state, count(number))).to_vec(),
        },
        Metric {
            name: "aprendiz_slots",
            kind: "gauge",
            help: "Runs that living workers train, and that those which claim could train beside",
            samples: slots.map(|(state, number)| ("state", state, count(number))).to_vec(),
        },
        Metric { name: "aprendiz_attempts_total", kind: "counter", help: "Ended attempts by outcome", samples: attempts.to_vec() },
        single(
            "aprendiz_attempt_heartbeat_age_seconds",
            "Time since the last sign of life of the running attempt that was silent for the longest; 0 when none runs",
            figures.heartbeat_seconds.unwrap_or_default(),
        ),
    ]
}

fn single(name: &'static str, help: &'static str, value: f64) -> Metric<'static> {
    Metric { name, kind: "gauge", help, samples: vec![("", "", value)] }
}

/// Counts an answer and its time, under the route and never the path: paths have no end.
pub(crate) async fn measured(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "(none)".to_owned(), |path| path.as_str().to_owned());
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        // a client may invent any other
        _ => "other",
    };
    let began = Instant::now();
    let response = next.run(request).await;
    histogram!(REQUEST_SECONDS, "route" => route.clone()).record(began.elapsed().as_secs_f64());
    counter!(REQUESTS, "method" => method, "route" => route, "status" => response.status().as_str().to_owned()).increment(1);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_leaves_its_numbers_out() {
        let text = in_text(None, None);
        assert!(text.contains("aprendiz_up{service=\"database\"} 0\n"), "{text}");
        assert!(!text.contains("aprendiz_runs"), "{text}");
    }

    #[test]
    fn a_status_that_no_run_has_is_told_as_none() {
        let figures = Figures { runs: vec![(RunStatus::Queued, 1_000_000)], ..Figures::default() };
        let text = in_text(Some(&figures), Some(3));
        assert!(text.contains("aprendiz_runs{status=\"queued\"} 1000000\n"), "{text}");
        assert!(text.contains("aprendiz_runs{status=\"failed\"} 0\n"), "{text}");
        assert!(text.contains("aprendiz_redis_queue_depth 3\n"), "{text}");
    }
}
