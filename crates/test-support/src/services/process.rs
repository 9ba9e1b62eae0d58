//! Process started by a test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use std::os::unix::process::CommandExt;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};

use crate::wait::wait_until;

/// A running program with its output in a file. Dropping it kills its process group, and prints the end of its log if the test fails.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` without input and with its output in `folder/<name>.log`.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).expect("a log file can be written");
        let errors = output.try_clone().expect("a file handle can be copied");
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0).spawn();
        let program = command.get_program().display();
        let child = child.unwrap_or_else(|error| panic!("cannot start {program}: {error}; ./dev test builds it"));
        Self { name: name.to_owned(), child, log }
    }

    /// Its output so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether it is running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the status of the child is available").is_none()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGKILL to the process but not to its children, like a crash.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends a signal to the process but not to its children; SIGSTOP simulates a hang.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// Waits until it exits; panics after `limit`.
    pub async fn wait(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        wait_until(&what, limit, async || self.child.try_wait().expect("the status of the child is available")).await
    }

    /// Whether a process with this id exists.
    pub fn exists(pid: Pid) -> bool {
        test_kill_process(pid).is_ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // both fail if the processes have already exited
        kill_process_group(self.pid(), Signal::KILL).ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(40);
            eprintln!("--- end of the log of {} ---", self.name);
            log.lines().skip(from).for_each(|line| eprintln!("{line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn output_is_logged_and_dropping_kills_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start("shell", Command::new("sh").args(["-c", "echo started; exec cat"]), folder.path());
        // cat has no input and exits immediately
        assert!(process.wait(Duration::from_secs(10)).await.success());
        assert_eq!(process.log(), "started\n");

        let process = Process::start("tail", Command::new("tail").args(["-f", "/dev/null"]), folder.path());
        let pid = process.pid();
        assert!(Process::exists(pid));
        drop(process);
        assert!(!Process::exists(pid));
    }
}
