//! A training run on short texts: features, folds and the final fit.

use std::{fs, path::Path, sync::atomic::AtomicBool};

use aprendiz_run_spec::{Backend, LinearParams, TrainingParams};
use aprendiz_training::{TrainingJob, run};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;

const EXAMPLES: usize = 600;
const CLASSES: usize = 10;

/// Texts in which a third of the words depend on the class.
fn write_snapshot(dir: &Path) {
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut lines = String::new();
    for example in 0..EXAMPLES {
        let class = example % CLASSES;
        let words: Vec<String> =
            (0..30).map(|_| if next(3) == 0 { format!("mark{}", class * 7 + next(7)) } else { format!("word{}", next(500)) }).collect();
        let line = json!({
            "document_id": format!("d{example}"), "group": format!("g{example}"), "text": words.join(" "),
            "fields": {"kind": {"value": [format!("class {class}")]}}
        });
        lines.push_str(&format!("{line}\n"));
    }
    let labels: Vec<String> = (0..CLASSES).map(|class| format!("class {class}")).collect();
    fs::write(dir.join("train.jsonl"), lines).expect("the folder is writable");
    fs::write(dir.join("validation.jsonl"), "").expect("the folder is writable");
    let labels = json!({"v": 1, "fields": {"kind": {"labels": labels}}, "left_out": []});
    fs::write(dir.join("labels.json"), labels.to_string()).expect("the folder is writable");
}

fn solver(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("there is a folder for temporary files");
    write_snapshot(dir.path());
    let job = TrainingJob {
        v: TrainingJob::version(),
        seed: 1,
        target_accuracy: 0.95,
        params: TrainingParams::Linear(LinearParams { l2: Some(0.3), folds: 2, ..LinearParams::default() }),
        train: dir.path().join("train.jsonl"),
        train_fraction: None,
        whole_fit: None,
        validation: dir.path().join("validation.jsonl"),
        labels: dir.path().join("labels.json"),
        base_model: None,
        pairs: None,
        out: dir.path().join("model"),
        reports: dir.path().join("reports"),
        checkpoints: dir.path().join("checkpoints"),
        checkpoint_seconds: 15.0,
        resume: None,
        embeddings: None,
        threads: 0,
        backend: Backend::Auto,
    };
    let mut group = criterion.benchmark_group("training run");
    group.throughput(Throughput::Elements(EXAMPLES as u64)).sample_size(10);
    group.bench_function("600 short texts, 10 classes, 2 folds", |bencher| {
        bencher.iter(|| run(&job, &AtomicBool::new(false), &mut |_| {}).expect("the snapshot can be trained on"));
    });
    group.finish();
}

criterion_group!(benches, solver);
criterion_main!(benches);
