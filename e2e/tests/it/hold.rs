//! Holds workers and their training processes at an exact point, as `aprendiz-test-gate` describes.

use std::fs;
use std::path::{Path, PathBuf};

use aprendiz_test_gate::Point;
use test_support::wait_until;

use crate::child::Child;
use crate::site::{PATIENCE, Site};

/// A closed gate in the scratch folder of workers. Dropping it lets every process go on.
pub(crate) struct Hold {
    folder: PathBuf,
}

impl Hold {
    /// Closes the gate of all workers of a site that have no scratch folder of their own.
    pub(crate) fn at(site: &Site, point: Point<'_>) -> Self {
        Self::within(site.env.folder(), point)
    }

    /// Closes the gate of workers with this scratch folder.
    pub(crate) fn within(folder: &Path, point: Point<'_>) -> Self {
        let hold = Self { folder: folder.to_owned() };
        hold.write(&format!("{point}\n"));
        hold
    }

    /// Lets processes pass up to another point.
    pub(crate) fn move_to(&self, point: Point<'_>) {
        self.write(&format!("{point}\n"));
    }

    /// Makes a held training report progress, as one that computes does.
    pub(crate) fn keep_reporting(&self) {
        let text = fs::read_to_string(self.gate()).expect("the gate is closed");
        self.write(&format!("{}\nreport\n", text.lines().next().unwrap_or_default()));
    }

    /// Waits until a living process stands at the gate.
    pub(crate) async fn reached(&self) -> Child {
        wait_until("a process at the gate", PATIENCE, async || self.held().into_iter().next()).await
    }

    /// Living processes that stand at the gate.
    fn held(&self) -> Vec<Child> {
        let gate = fs::read_to_string(self.gate()).expect("the gate is closed");
        let gate = gate.lines().next().unwrap_or_default();
        let files = fs::read_dir(&self.folder).expect("the scratch folder can be listed").flatten();
        let held = files.filter_map(|file| {
            let process = file.file_name().to_str()?.strip_prefix("held-")?.parse().ok()?;
            // of a process that is passing the point before, or was killed there
            let stands = is_at(&fs::read_to_string(file.path()).ok()?, gate);
            Some(Child::with_id(process)).filter(|process| stands && process.runs())
        });
        held.collect()
    }

    fn gate(&self) -> PathBuf {
        self.folder.join("gate")
    }

    fn write(&self, text: &str) {
        let unfinished = self.folder.join("gate.unfinished");
        fs::write(&unfinished, text).expect("the scratch folder can be written");
        fs::rename(unfinished, self.gate()).expect("a file can be renamed");
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // a test that deletes the scratch folder has opened the gate with it
        fs::remove_file(self.gate()).ok();
    }
}

/// Whether the point that a process wrote is one at which the gate holds it.
fn is_at(point: &str, gate: &str) -> bool {
    let (point, gate) = (point.split_once(' ').unwrap_or((point, "")), gate.split_once(' ').unwrap_or((gate, "")));
    let step = |text: &str| text.parse::<u64>().ok();
    point.0 == gate.0 && (point.1 == gate.1 || step(point.1).zip(step(gate.1)).is_some_and(|(point, gate)| point >= gate))
}
