//! A whole run, top to bottom.

mod artifacts;
mod checkpoints;
mod dataset;
mod evaluate;
mod extractions;
mod metrics;
mod model_card;
mod phases;
mod scratch;
mod train;

use ::runs::{Claim, RunKind, RunPhase};
use tokio_util::sync::CancellationToken;

use crate::context::WorkerContext;
use crate::failure::Stop;
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
    let dataset = handing_back.run_until_cancelled(dataset::provide(context, &claim, &spec, &scratch)).await.ok_or(Stop::HandedBack)??;
    if claim.run.dataset_only {
        return metrics::publish_without_model(context, key, &[]).await;
    }

    phases.enter(RunPhase::Train).await?;
    let summary = train::train(context, key, &spec, &dataset, &scratch, handing_back).await?;

    phases.enter(RunPhase::Evaluate).await?;
    let evaluation = evaluate::evaluate(context, key, &claim.run, &spec, &dataset, &summary, &scratch).await?;

    phases.enter(RunPhase::Upload).await?;
    let upload = artifacts::upload(context, key, &claim.run, &scratch).await?;

    phases.enter(RunPhase::Publish).await?;
    metrics::publish(context, key, &claim.run, &dataset, &upload, evaluation).await
}
