//! A process that a test started.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use std::os::unix::process::CommandExt;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};

use crate::wait_until;

/// A running program, its output in a file. Dropping kills it and its whole group, and shows the end of its log if the
/// test is failing.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with no input and its output in `folder/<name>.log`.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).expect("a log file can be written");
        let errors = output.try_clone().expect("a file handle can be copied");
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0).spawn();
        let program = command.get_program().display();
        let child = child.unwrap_or_else(|error| panic!("cannot start {program}: {error}; ./dev test builds it"));
        Self { name: name.to_owned(), child, log }
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills it (SIGKILL) and leaves its children to themselves, as a crash would.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends a signal to the process alone; SIGSTOP makes it look hung.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// Waits for its end; panics after `limit`.
    pub async fn wait(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        wait_until(&what, limit, async || self.child.try_wait().expect("a child can be asked")).await
    }

    /// Whether any process has this id now.
    pub fn exists(pid: Pid) -> bool {
        test_kill_process(pid).is_ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // both fail when everything is gone already
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
    async fn output_is_kept_and_the_process_ends_with_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start("shell", Command::new("sh").args(["-c", "echo started; exec cat"]), folder.path());
        // cat reads nothing and ends at once
        assert!(process.wait(Duration::from_secs(10)).await.success());
        assert_eq!(process.log(), "started\n");

        let process = Process::start("tail", Command::new("tail").args(["-f", "/dev/null"]), folder.path());
        let pid = process.pid();
        assert!(Process::exists(pid));
        drop(process);
        assert!(!Process::exists(pid));
    }
}
