//! Predicts the test split with a trained field classifier.

use std::{
    fs::File,
    io::{BufWriter, Write},
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use aprendiz_classifier::{EvidencedPrediction, FieldModel};
use aprendiz_inference::NgramCounter;
use aprendiz_test_gate::{self as gate, Point};
use serde::{Deserialize, Serialize};

use crate::{
    backend::device,
    embeddings,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::field_classifier::documents::{Document, Embedder},
    protocol::{
        evaluation_job::ClassifierEvaluation,
        progress::{Event, Progress, Stage},
        reporter::Reporter,
    },
    thread_pool::run_in_pool,
};

/// The predictions for a document of the test split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictedDocument {
    /// The document.
    pub document_id: String,
    /// The predictions, in the order of the fields of the model.
    pub fields: Vec<EvidencedPrediction>,
}

/// Predicts all documents of the test split. Nothing else reads it. Returns their number; `None` if `stop` became true. `progress` runs on
/// the calling thread.
///
/// # Errors
/// Every error has a stable code, see [`TrainingError::code`].
pub fn evaluate_classifier(
    job: &ClassifierEvaluation,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<u64>, TrainingError> {
    run_in_pool(job.threads, progress, |send| {
        let mut reporter = Reporter::new(send);
        let started = Instant::now();
        gate::pass(Point::Evaluation, || reporter.examples(Stage::Test, 0.0, 0, started));
        let device = device(job.backend)?;
        let model = FieldModel::load_unpublished(&job.model, &device)?;
        let cache = embeddings::open(model.encoder().vector_size(), job.embeddings.as_ref());
        let mut embedder =
            Embedder { encoder: model.encoder(), settings: model.chunk_settings(), device: &device, cache, words: model.words() };
        let path = &job.predictions;
        let mut out = BufWriter::new(File::create(path).map_err(TrainingError::io(path))?);
        let mut documents = 0;
        let go_on = |done: f64, seen: usize| {
            reporter.examples(Stage::Test, done, seen, started);
            if stop.load(Ordering::Relaxed) { Err(Interrupt::Stopped) } else { Ok(()) }
        };
        let mut counter = NgramCounter::new();
        let read = embedder.read(&job.documents, go_on, |Document { example, chunks }, text| {
            documents += 1;
            let document =
                PredictedDocument { document_id: example.document_id, fields: model.predict_chunks(text, &chunks, &mut counter) };
            let written = serde_json::to_writer(&mut out, &document).map_err(std::io::Error::from).and_then(|()| out.write_all(b"\n"));
            Ok(written.map_err(TrainingError::io(path))?)
        });
        match read {
            Ok(()) => {}
            Err(Interrupt::Failed(error)) => return Err(error),
            Err(Interrupt::Stopped | Interrupt::OutOfTime | Interrupt::IncompatibleCheckpoint(_)) => {
                reporter.stopped(0);
                return Ok(None);
            }
        }
        out.flush().map_err(TrainingError::io(path))?;
        let embeddings = embeddings::close(&embedder.cache, job.embeddings.as_ref(), &mut reporter);
        reporter.flush();
        reporter.send(Event::Predicted { documents, embeddings });
        Ok(Some(documents))
    })
}
