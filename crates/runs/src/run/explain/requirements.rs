//! Explanation of a run whose requirements no live worker meets.

use aprendiz_run_spec::Requirement;

use super::facts::WorkerFacts;
use super::format::alive;

/// Which requirement no live worker meets, and the way out. The caller has found that workers support the kind and none can claim the run.
pub(super) fn lacking_requirements(workers: &WorkerFacts, requires: &[String]) -> (String, String) {
    if workers.unmet.is_empty() {
        let summary = format!("{}, but none meets all of its requirements: {}", alive(workers.supporting), list(requires));
        return (summary, way_out(requires));
    }
    (format!("{}, but none has {}", alive(workers.supporting), list(&workers.unmet)), way_out(&workers.unmet))
}

/// How to get a worker that meets the requirements, or a run without them.
fn way_out(requirements: &[String]) -> String {
    let read = |text: &String| Requirement::try_from(text.clone()).ok();
    let (backends, labels): (Vec<Requirement>, Vec<Requirement>) = requirements.iter().filter_map(read).partition(Requirement::is_backend);
    let mut ways = Vec::new();
    if !backends.is_empty() {
        let features: Vec<String> = backends.iter().map(|backend| backend.label().replace("backend=", "")).collect();
        let features = features.join(",");
        ways.push(format!("start a worker whose build includes the backend (feature `{features}`)"));
        ways.push("to train on the CPU: aprendiz run clone ID --set backend=auto, and cancel this one".to_owned());
    }
    if !labels.is_empty() {
        let labels: Vec<String> = labels.iter().map(Requirement::label).collect();
        ways.push(format!("start a worker with APRENDIZ_LABELS={}", labels.join(",")));
        ways.push("to require nothing: aprendiz run clone ID --set requires=null, and cancel this one".to_owned());
    }
    ways.push("to see the labels of all workers: aprendiz worker list".to_owned());
    ways.join("; ")
}

/// The requirements in a sentence.
pub(super) fn list(requirements: &[String]) -> String {
    let quoted: Vec<String> = requirements.iter().map(|requirement| format!("`{requirement}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}
