//! The training child: a process of its own, so that it can be killed at once, gives its memory back, and an abort or an
//! out-of-memory kill is told apart from a lost host. It knows no database and no bucket. Its other side is `supervisor`.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use training::{EvaluationJob, Progress, TrainingError, TrainingJob};

/// Trains the job and tells about it on standard output. The end of standard input asks it to save a checkpoint and end.
pub(crate) fn train(job: &Path, parent: i32) -> ExitCode {
    work(job, parent, |stop, send| TrainingJob::read(job).and_then(|job| training::run(&job, stop, send)).map(drop))
}

/// Evaluates an encoder and tells about it in the same way.
pub(crate) fn evaluate(job: &Path, parent: i32) -> ExitCode {
    work(job, parent, |stop, send| EvaluationJob::read(job).and_then(|job| training::evaluate(&job, stop, send)).map(drop))
}

fn work(job: &Path, parent: i32, work: impl FnOnce(&AtomicBool, &mut dyn FnMut(Progress)) -> Result<(), TrainingError>) -> ExitCode {
    // job files lie in the folder of an attempt, this one in the scratch folder
    if let Some(scratch) = job.parent().and_then(Path::parent) {
        aprendiz_test_gate::watch(scratch);
    }
    // when the worker dies, even by kill -9, nobody would ever read the result
    let dies_with_parent = set_parent_process_death_signal(Some(Signal::KILL));
    if let Err(error) = dies_with_parent {
        eprintln!("cannot tie this process to its parent: {error}");
        return ExitCode::FAILURE;
    }
    // the parent may have died before the line above
    if getppid().map(Pid::as_raw_nonzero).is_none_or(|pid| pid.get() != parent) {
        eprintln!("the worker is gone");
        return ExitCode::FAILURE;
    }
    let stop = stop_at_end_of_input();
    let mut broken_pipe = false;
    let mut send = |line: Progress| {
        if write_line(&line).is_err() {
            // nobody listens any more: what has been done is worth a checkpoint, the rest is not worth doing
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
    let asked = Arc::clone(&stop);
    std::thread::spawn(move || {
        // nothing is ever sent; an error is as good an end as any
        let _ = std::io::stdin().lock().read(&mut [0]);
        asked.store(true, Ordering::Relaxed);
    });
    stop
}

fn write_line(line: &Progress) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, line)?;
    out.write_all(b"\n")?;
    out.flush()
}
