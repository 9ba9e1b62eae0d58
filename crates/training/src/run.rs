//! Trains a job of any kind: its threads, its progress, and how it ends.

use std::sync::atomic::AtomicBool;

use aprendiz_test_gate::Point;
use burn::tensor::Device;
use inference::{LinearParams, SentenceTransformerParams};

use crate::{
    error::TrainingError,
    halt::Halt,
    job::{Kind, TrainingJob},
    journal::Journal,
    linear,
    pool::in_pool,
    progress::{Progress, Reporter},
    sentence_transformer,
    summary::{Outcome, TrainingSummary},
};

/// Parameters of the kind that is trained.
enum Params {
    Linear(LinearParams),
    SentenceTransformer(SentenceTransformerParams),
}

impl Params {
    fn parse(job: &TrainingJob) -> Result<Self, TrainingError> {
        let parsed = match job.kind {
            Kind::Linear => LinearParams::parse(&job.params).map(Self::Linear),
            Kind::SentenceTransformer => SentenceTransformerParams::parse(&job.params).map(Self::SentenceTransformer),
        };
        parsed.map_err(TrainingError::BadParams)
    }

    fn train(&self, job: &TrainingJob, device: Device, journal: &mut Journal<'_>) -> Result<TrainingSummary, Halt> {
        match self {
            Self::Linear(params) => linear::train(job, params, device, journal),
            Self::SentenceTransformer(params) => sentence_transformer::train(job, params, device, journal),
        }
    }
}

/// Trains what the job asks for. Writes the model into `out` and, for kinds that have them, the scored examples into `reports`; the manifest comes later, from whoever publishes. `progress` is called on this thread; the work does not go
/// further than one line ahead of it.
///
/// When `stop` becomes true, the work ends after the step under way (batch of texts, outside of a solve), with a checkpoint of
/// all that was done. A training that was interrupted and continued any number of times writes the same bytes as one that was
/// not, on the same CPU kernel.
///
/// # Errors
/// Every cause has a stable code, see [`TrainingError::code`]; nothing in `out` is worth keeping then.
pub fn run(job: &TrainingJob, stop: &AtomicBool, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, TrainingError> {
    job.validate()?;
    let params = Params::parse(job)?;
    in_pool(job.threads, progress, |send| {
        let device = job.backend.device()?;
        let mut journal = Journal::open(job, &device, stop, Reporter::new(send))?;
        match params.train(job, device, &mut journal) {
            Ok(summary) => {
                journal.pass_gate(Point::Trained);
                journal.reporter.done(&summary);
                Ok(Outcome::Trained(summary))
            }
            Err(Halt::Stopped) => {
                journal.reporter.stopped(journal.step());
                Ok(Outcome::Stopped { step: journal.step() })
            }
            Err(Halt::Failed(error)) => Err(error),
            Err(Halt::Unfit(reason)) => unreachable!("there was no checkpoint any more that could not fit: {reason}"),
        }
    })
}
