//! The training process of a worker, found as any administrator would find it.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use test_support::wait_until;

use crate::site::PATIENCE;

/// The process that trains for a worker.
pub(crate) struct Child(Pid);

impl Child {
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
        state(self.0.as_raw_nonzero().get()).is_some_and(|state| state != 'Z' && state != 'X')
    }
}

/// The state letter in `/proc/ID/stat`. It follows the process name, which may contain anything and ends at the last parenthesis.
fn state(id: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.trim_start().chars().next()
}
