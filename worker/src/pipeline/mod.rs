//! A whole run, top to bottom.

mod artifacts;
mod base_model;
mod checkpoints;
mod dataset;
mod embeddings;
mod encoder_card;
mod evaluate;
mod evaluate_encoder;
mod extractions;
mod hub;
mod metrics;
mod model_card;
mod phases;
mod scratch;
mod train;

use ::runs::{Claim, RunKind, RunPhase};
use tokio_util::sync::CancellationToken;

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::pipeline::evaluate_encoder::Trained;
use crate::pipeline::phases::Phases;
use crate::pipeline::scratch::Scratch;
pub(crate) use crate::pipeline::scratch::{probe as probe_scratch, sweep as sweep_scratch};

/// Carries out a claimed run up to and including its publication. Every write is fenced by the attempt number.
///
/// When the worker hands its work back, a dataset that is being built is given up, a training saves a checkpoint and stops, and
/// what comes after training is finished, if the grace time suffices.
pub(crate) async fn run(context: &WorkerContext, claim: Claim, handing_back: &CancellationToken) -> Result<(), Stop> {
    let key = claim.attempt;
    let spec = claim.run.run_spec()?;
    let mut phases = Phases::new(context, key);

    if claim.run.kind == RunKind::Evaluate {
        phases.enter(RunPhase::Evaluate).await?;
        let metrics = extractions::score(context, &claim.run, &spec).await?;
        phases.enter(RunPhase::Publish).await?;
        return metrics::publish_without_model(context, key, &metrics).await;
    }

    let scratch = Scratch::create(&context.config.scratch, key)?;
    phases.enter(RunPhase::Dataset).await?;
    // first, because nothing can be done without it
    let base = match claim.run.kind {
        RunKind::SentenceTransformer if !claim.run.dataset_only => {
            let provided = base_model::provide(context, key, &spec, &scratch);
            Some(handing_back.run_until_cancelled(provided).await.ok_or(Stop::HandedBack)??)
        }
        _ => None,
    };
    let dataset = handing_back.run_until_cancelled(dataset::provide(context, &claim, &spec, &scratch)).await.ok_or(Stop::HandedBack)??;
    if claim.run.dataset_only {
        return metrics::publish_without_model(context, key, &[]).await;
    }

    phases.enter(RunPhase::Train).await?;
    let summary = train::train(context, key, &spec, base.as_ref(), &dataset, &scratch, handing_back).await?;

    phases.enter(RunPhase::Evaluate).await?;
    let evaluation = match &base {
        Some(base) => {
            let trained = Trained { run: &claim.run, spec: &spec, dataset: &dataset, summary: &summary, base };
            evaluate_encoder::evaluate(context, key, &trained, &scratch).await?
        }
        None => evaluate::evaluate(context, key, &claim.run, &spec, &dataset, &summary, &scratch).await?,
    };

    phases.enter(RunPhase::Upload).await?;
    let upload = artifacts::upload(context, key, &claim.run, &scratch).await?;

    phases.enter(RunPhase::Publish).await?;
    metrics::publish(context, key, &claim.run, &dataset, &upload, evaluation).await
}
