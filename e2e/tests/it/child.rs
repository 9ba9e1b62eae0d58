//! The training process of a worker, found as any administrator would find it.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use test_support::{Process, wait_until};

use crate::site::PATIENCE;

/// The process that trains for a worker.
pub(crate) struct Child(Pid);

impl Child {
    /// The only child of the worker.
    pub(crate) fn of(worker: &Process) -> Self {
        let parent = worker.pid().as_raw_nonzero().get();
        let entries = fs::read_dir("/proc").expect("processes are listed in /proc");
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        let children: Vec<i32> = ids.filter(|id| parent_of(*id) == Some(parent)).collect();
        let [child] = children[..] else { panic!("worker {parent} has the children {children:?}, not one") };
        Self::with_id(child)
    }

    pub(crate) fn with_id(id: i32) -> Self {
        Self(Pid::from_raw(id).expect("a process id is positive"))
    }

    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.0, signal).expect("the child runs");
    }

    pub(crate) async fn is_gone(&self) {
        wait_until("the end of the training process", PATIENCE, async || (!self.runs()).then_some(())).await;
    }

    /// A dead process that its parent has not waited for yet is no longer running.
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
