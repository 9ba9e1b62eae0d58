//! The training child of a worker, found as any administrator would find it.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use test_support::{Process, wait_until};

/// How soon a killed process must be gone.
const GONE: Duration = Duration::from_secs(5);

/// Some seconds of training: long enough for its child to be interrupted.
pub(crate) fn long() -> Value {
    json!({ "model": "contracts", "params": { "folds": 20, "tolerance": 1e-6, "epochs": 10_000, "char_ngrams": [1, 5] } })
}

/// The child that trains for a worker.
pub(crate) struct Child(Pid);

impl Child {
    /// The only child of the worker.
    pub(crate) fn of(worker: &Process) -> Self {
        let parent = worker.pid().as_raw_nonzero().get();
        let entries = fs::read_dir("/proc").expect("processes are listed in /proc");
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        let children: Vec<i32> = ids.filter(|id| parent_of(*id) == Some(parent)).collect();
        let [child] = children[..] else { panic!("worker {parent} has the children {children:?}, not one") };
        Self(Pid::from_raw(child).expect("a process id is positive"))
    }

    /// Holds it still, so that its training cannot end before the test has acted. It can still be killed.
    pub(crate) fn freeze(&self) {
        kill_process(self.0, Signal::STOP).expect("the child runs");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        kill_process(self.0, Signal::CONT).expect("the child runs");
    }

    /// Kills it.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.0, signal).expect("the child runs");
    }

    /// Waits until it is gone.
    pub(crate) async fn is_gone(&self) {
        wait_until("the end of the training child", GONE, async || (!self.runs()).then_some(())).await;
    }

    /// A dead process that nobody has waited for yet is no longer running.
    pub(crate) fn runs(&self) -> bool {
        state_and_parent(self.0.as_raw_nonzero().get()).is_some_and(|(state, _)| state != 'Z' && state != 'X')
    }
}

fn parent_of(id: i32) -> Option<i32> {
    state_and_parent(id).map(|(_, parent)| parent)
}

/// From `/proc/ID/stat`: the name, which may hold anything, ends with the last parenthesis; state and parent follow.
fn state_and_parent(id: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut parts = rest.split_whitespace();
    Some((parts.next()?.chars().next()?, parts.next()?.parse().ok()?))
}
