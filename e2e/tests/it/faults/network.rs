//! A worker that is cut off from everything: by proxies that pass nothing on, and in a network of its own.

use std::process::Command;

use aprendiz_test_gate::Point;
use test_support::FaultProxy;

use super::{Training, check_published_once, contract_run, training};
use crate::export::contracts;
use crate::hold::Hold;
use crate::site::{SHORT_LEASE, Site};

/// The address of a service with another host and port.
fn through(url: &str, proxy: &FaultProxy) -> (String, String) {
    let (head, rest) = url.split_once('@').expect("a URL with a password");
    let (_, path) = rest.split_once('/').unwrap_or((rest, ""));
    (format!("{head}@{}/{path}", proxy.address()), rest.split('/').next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_worker_that_is_cut_off_is_replaced_and_changes_nothing_when_it_is_back() {
    let site = Site::with(contracts()).await;
    let address = |url: &str| url.rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
    let (database_url, redis_url) = (site.env.database.url().to_owned(), site.env.redis.url());
    let proxies = [
        FaultProxy::start(&address(&database_url)),
        FaultProxy::start(&address(&redis_url)),
        FaultProxy::start(&site.env.bucket.address()),
    ];
    let (database_url, _) = through(&database_url, &proxies[0]);
    let (redis_url, _) = through(&redis_url, &proxies[1]);
    let endpoint = format!("http://{}", proxies[2].address());
    let variables = [
        SHORT_LEASE,
        ("DATABASE_URL", database_url.as_str()),
        ("REDIS_URL", redis_url.as_str()),
        ("AWS_ENDPOINT_URL_S3", endpoint.as_str()),
    ];
    let Training { id, worker, child, hold } = training(&site, &variables).await;
    proxies.iter().for_each(FaultProxy::stall);

    // the gate holds the first one only
    let elsewhere = site.env.folder().join("elsewhere");
    let second = site.env.worker("worker-2", &[("APRENDIZ_SCRATCH", elsewhere.to_str().unwrap())]);
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["lost", "succeeded"]);
    // it has noticed by itself: nobody could tell it
    child.is_gone().await;
    drop(hold);
    let before = site.state().await;
    proxies.iter().for_each(FaultProxy::pass);
    site.logged(&worker, "lease lost").await;
    assert_eq!(site.state().await, before);
    check_published_once(&site, id).await;

    // and it is of use again
    drop(second);
    let next = site.create_run(&super::small()).await;
    site.succeeded(next).await;
    drop(worker);
    site.finish().await;
}

/// A network of its own, joined to this machine by a cable that can be pulled.
struct Namespace {
    name: String,
    cable: String,
}

impl Namespace {
    fn new() -> Self {
        let id = std::process::id() % 10_000;
        let space = Self { name: format!("apz{id}"), cable: format!("apz{id}h") };
        let (name, cable) = (&space.name, &space.cable);
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
        space
    }

    fn pull(&self) {
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
async fn a_worker_whose_cable_is_pulled_is_replaced_and_changes_nothing_when_it_is_back() {
    let site = Site::with(contracts()).await;
    let space = Namespace::new();
    // the services listen on loopback only: proxies stand at this machine's end of the cable
    let address = |url: &str| url.rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
    let host = "10.213.7.1";
    let proxies = [
        FaultProxy::start_at(host, &address(site.env.database.url())),
        FaultProxy::start_at(host, &address(&site.env.redis.url())),
        FaultProxy::start_at(host, &site.env.bucket.address()),
    ];
    let (database_url, _) = through(site.env.database.url(), &proxies[0]);
    let (redis_url, _) = through(&site.env.redis.url(), &proxies[1]);
    let endpoint = format!("http://{}", proxies[2].address());
    let variables = [
        SHORT_LEASE,
        ("DATABASE_URL", database_url.as_str()),
        ("REDIS_URL", redis_url.as_str()),
        ("AWS_ENDPOINT_URL_S3", endpoint.as_str()),
    ];
    let worker = site.env.worker_under(&["ip", "netns", "exec", &space.name], "worker-1", &variables);
    let hold = Hold::at(&site, Point::Step(5));
    let id = site.create_run(&contract_run()).await;
    hold.reached().await;
    space.pull();
    // the gate holds the first one only
    let elsewhere = site.env.folder().join("elsewhere");
    let second = site.env.worker("worker-2", &[("APRENDIZ_SCRATCH", elsewhere.to_str().unwrap())]);
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["lost", "succeeded"]);
    let before = site.state().await;
    drop(hold);
    space.plug_in();
    site.logged(&worker, "lease lost").await;
    assert_eq!(site.state().await, before);
    check_published_once(&site, id).await;
    drop((worker, second, space));
    site.finish().await;
}
