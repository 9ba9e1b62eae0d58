//! Workers that are cut off from all services: by proxies that stall, and in a network namespace whose cable is unplugged.

use std::process::Command;

use aprendiz_test_gate::Point;
use aprendiz_test_support::{FaultProxy, Process};

use super::check_published_once;
use crate::fixture::exports::contracts;
use crate::fixture::{HeldTraining, Hold, SHORT_LEASE, TestApp, evaluation_spec, training_spec};

/// Proxies in front of PostgreSQL, Redis and the bucket.
struct Proxies {
    database: FaultProxy,
    redis: FaultProxy,
    bucket: FaultProxy,
}

impl Proxies {
    /// Starts proxies that listen on `host`.
    fn start_at(host: &str, app: &TestApp) -> Self {
        Self {
            database: FaultProxy::start_at(host, server_address(app.env.database.url())),
            redis: FaultProxy::start_at(host, server_address(&app.env.redis.url())),
            bucket: FaultProxy::start_at(host, &app.env.bucket.address()),
        }
    }

    /// Environment of a worker with a short lease that reaches all services through the proxies.
    fn variables(&self, app: &TestApp) -> [(&'static str, String); 4] {
        [
            (SHORT_LEASE.0, SHORT_LEASE.1.to_owned()),
            ("DATABASE_URL", replace_address(app.env.database.url(), &self.database)),
            ("REDIS_URL", replace_address(&app.env.redis.url(), &self.redis)),
            ("AWS_ENDPOINT_URL_S3", format!("http://{}", self.bucket.address())),
        ]
    }

    fn all(&self) -> [&FaultProxy; 3] {
        [&self.database, &self.redis, &self.bucket]
    }
}

/// HOST:PORT of a URL with a password.
fn server_address(url: &str) -> &str {
    url.rsplit_once('@').unwrap().1.split('/').next().unwrap()
}

/// The URL with the address of a proxy.
fn replace_address(url: &str, proxy: &FaultProxy) -> String {
    let (head, rest) = url.split_once('@').expect("a URL with a password");
    let (_, path) = rest.split_once('/').unwrap_or((rest, ""));
    format!("{head}@{}/{path}", proxy.address())
}

/// Starts a worker with another scratch folder, so that the gate holds the first worker only.
fn start_second_worker(app: &TestApp) -> Process {
    let elsewhere = app.env.folder().join("elsewhere");
    app.env.worker("worker-2", &[("APRENDIZ_SCRATCH", elsewhere.to_str().unwrap())])
}

#[tokio::test]
async fn a_worker_without_connections_is_replaced_and_changes_nothing_when_it_returns() {
    let app = TestApp::with_import(contracts()).await;
    let proxies = Proxies::start_at("127.0.0.1", &app);
    let variables = proxies.variables(&app);
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let HeldTraining { id, worker, child, hold } = HeldTraining::start(&app, &variables).await;
    proxies.all().into_iter().for_each(FaultProxy::stall);

    let second = start_second_worker(&app);
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["lost", "succeeded"]);
    // the worker has killed its child, because it knows that its lease has expired
    child.wait_for_exit().await;
    // and says so while it cannot reach any service
    app.wait_for_log(&worker, "the lease has expired").await;
    drop(hold);
    let before = app.run_tables().await;
    proxies.all().into_iter().for_each(FaultProxy::pass);
    app.wait_for_log(&worker, "lease lost").await;
    assert_eq!(app.run_tables().await, before);
    check_published_once(&app, id).await;

    // and the worker claims runs again
    drop(second);
    let next = app.create_run(&evaluation_spec()).await;
    app.wait_for_success(next).await;
    drop(worker);
    app.finish().await;
}

/// A network namespace, connected to this machine by a virtual cable that can be unplugged.
struct Namespace {
    name: String,
    cable: String,
}

impl Namespace {
    fn new() -> Self {
        let id = std::process::id() % 10_000;
        let namespace = Self { name: format!("apz{id}"), cable: format!("apz{id}h") };
        let (name, cable) = (&namespace.name, &namespace.cable);
        for line in [
            format!("netns add {name}"),
            format!("link add {cable} type veth peer name eth0 netns {name}"),
            format!("addr add 10.213.7.1/30 dev {cable}"),
            format!("link set {cable} up"),
            format!("-n {name} addr add 10.213.7.2/30 dev eth0"),
            format!("-n {name} link set eth0 up"),
            format!("-n {name} link set lo up"),
        ] {
            assert!(ip(&line), "ip {line}: this test needs root and iproute2");
        }
        namespace
    }

    fn unplug(&self) {
        assert!(ip(&format!("link set {} down", self.cable)));
    }

    fn plug_in(&self) {
        assert!(ip(&format!("link set {} up", self.cable)));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.cable));
        ip(&format!("netns del {}", self.name));
    }
}

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).status().is_ok_and(|status| status.success())
}

#[tokio::test]
#[ignore = "needs root: ./dev faults"]
async fn a_worker_with_an_unplugged_cable_is_replaced_and_changes_nothing_when_it_returns() {
    let app = TestApp::with_import(contracts()).await;
    let namespace = Namespace::new();
    // the services listen on loopback only, so the proxies listen at this machine's end of the cable
    let proxies = Proxies::start_at("10.213.7.1", &app);
    let variables = proxies.variables(&app);
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let worker = app.env.worker_under(&["ip", "netns", "exec", &namespace.name], "worker-1", &variables);
    let hold = Hold::at(&app, Point::Step(5));
    let id = app.create_run(&training_spec()).await;
    hold.wait_until_reached().await;
    namespace.unplug();
    let second = start_second_worker(&app);
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["lost", "succeeded"]);
    let before = app.run_tables().await;
    drop(hold);
    namespace.plug_in();
    app.wait_for_log(&worker, "lease lost").await;
    assert_eq!(app.run_tables().await, before);
    check_published_once(&app, id).await;
    drop((worker, second, namespace));
    app.finish().await;
}
