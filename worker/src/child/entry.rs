//! Entry points of the training process.
//!
//! Training runs in a process of its own, so that it can be killed immediately, returns its memory to the system, and an abort or an
//! out-of-memory kill is distinguishable from a lost host. It has access to neither the database nor the object store.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aprendiz_training::{EvaluationJob, Progress, TrainingError, TrainingJob};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Trains the job and reports progress on standard output. Closing standard input requests a checkpoint and a stop.
pub(crate) fn train(job: &Path, parent: i32) -> ExitCode {
    execute(job, parent, |stop, send| TrainingJob::read(job).and_then(|job| aprendiz_training::run(&job, stop, send)).map(drop))
}

/// Evaluates an encoder or a field classifier, with the same protocol.
pub(crate) fn evaluate(job: &Path, parent: i32) -> ExitCode {
    execute(job, parent, |stop, send| EvaluationJob::read(job).and_then(|job| aprendiz_training::evaluate(&job, stop, send)))
}

fn execute(job: &Path, parent: i32, work: impl FnOnce(&AtomicBool, &mut dyn FnMut(Progress)) -> Result<(), TrainingError>) -> ExitCode {
    // the job file is in the folder of an attempt, which is in the scratch folder
    if let Some(scratch) = job.parent().and_then(Path::parent) {
        aprendiz_test_gate::watch(scratch);
    }
    // the result is useless without the worker, so this process dies with it, even after kill -9
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        eprintln!("cannot set the parent death signal: {error}");
        return ExitCode::FAILURE;
    }
    // the worker may have died before the signal was set
    if getppid().map(Pid::as_raw_nonzero).is_none_or(|pid| pid.get() != parent) {
        eprintln!("the worker has exited");
        return ExitCode::FAILURE;
    }
    let stop = stop_at_end_of_input();
    let mut broken_pipe = false;
    let mut send = |line: Progress| {
        if write_line(&line).is_err() {
            // the worker no longer reads: save a checkpoint and stop
            broken_pipe = true;
            stop.store(true, Ordering::Relaxed);
        }
    };
    let outcome = work(&stop, &mut send);
    if let Err(error) = &outcome {
        send(Progress::error(error));
    }
    if outcome.is_ok() && !broken_pipe { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn stop_at_end_of_input() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let requested = Arc::clone(&stop);
    std::thread::spawn(move || {
        // the worker never writes; an error counts as the end of input
        let _ = std::io::stdin().lock().read(&mut [0]);
        requested.store(true, Ordering::Relaxed);
    });
    stop
}

fn write_line(line: &Progress) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, line)?;
    out.write_all(b"\n")?;
    out.flush()
}
