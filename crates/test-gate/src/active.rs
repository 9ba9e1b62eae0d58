//! The gate of test builds: reads the files that the test writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use crate::Point;

const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Additional time per step at the pace `slow`.
const SLOW_STEP_DELAY: Duration = Duration::from_millis(4);

/// The files of this process. Set in workers and their training processes only.
static FILES: OnceLock<Files> = OnceLock::new();

struct Files {
    gate: PathBuf,
    held: PathBuf,
    pace: String,
}

/// Makes this process stop at the gate in `folder`, the scratch folder of the worker.
pub fn watch(folder: &Path) {
    let held = folder.join(format!("held-{}", std::process::id()));
    let pace = fs::read_to_string(folder.join("pace")).unwrap_or_default();
    let _ = FILES.set(Files { gate: folder.join("gate"), held, pace });
}

/// Whether a training ends after as few steps as possible.
#[must_use]
pub fn is_instant() -> bool {
    FILES.get().is_some_and(|files| files.pace.trim() == "instant")
}

/// A process that stands at a closed gate.
#[derive(Debug)]
pub struct Held<'a> {
    point: Point<'a>,
}

impl Held<'_> {
    /// Whether the gate is still closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        closed_gate(self.point).is_some()
    }

    fn keeps_reporting(&self) -> bool {
        closed_gate(self.point).is_some_and(|text| text.lines().any(|line| line == "report"))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(files) = FILES.get() {
            let _ = fs::remove_file(&files.held);
        }
    }
}

/// Stops if the gate is closed at `point`, and writes the point to the file of this process. `None` means that the gate is open.
#[must_use]
pub fn stop_at(point: Point<'_>) -> Option<Held<'_>> {
    let files = FILES.get()?;
    if matches!(point, Point::Step(_)) && files.pace.trim() == "slow" {
        sleep(SLOW_STEP_DELAY);
    }
    closed_gate(point)?;
    fs::write(&files.held, point.to_string()).expect("the scratch folder of a test can be written");
    Some(Held { point })
}

/// Blocks this thread while the gate is closed at `point`. Calls `report` repeatedly meanwhile, if the gate allows it.
pub fn pass(point: Point<'_>, mut report: impl FnMut()) {
    let Some(held) = stop_at(point) else { return };
    while held.is_closed() {
        if held.keeps_reporting() {
            report();
        }
        sleep(POLL_INTERVAL);
    }
}

/// The content of the gate file, if the gate is closed at `point`.
fn closed_gate(point: Point<'_>) -> Option<String> {
    let text = fs::read_to_string(&FILES.get()?.gate).ok()?;
    point.is_held_by(text.lines().next().unwrap_or_default()).then_some(text)
}
