//! A whole run, top to bottom.

mod artifacts;
mod dataset;
mod evaluate;
mod extractions;
mod metrics;
mod model_card;
mod scratch;
mod train;

use ::runs::{Claim, RunKind, RunPhase, enter_phase};

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::pipeline::scratch::Scratch;
pub(crate) use crate::pipeline::scratch::sweep as sweep_scratch;

/// Carries out a claimed run up to and including its publication. Every write is fenced by the attempt number.
pub(crate) async fn run(context: &WorkerContext, claim: Claim) -> Result<(), Stop> {
    let key = claim.attempt;
    let spec = claim.run.run_spec()?;
    let phase = async |phase| enter_phase(&mut *context.pool.acquire().await?, key, phase).await.map_err(Stop::from);

    if claim.run.kind == RunKind::Evaluate {
        phase(RunPhase::Evaluate).await?;
        let metrics = extractions::score(context, &claim.run, &spec).await?;
        phase(RunPhase::Publish).await?;
        return metrics::publish_without_model(context, key, &metrics).await;
    }

    let scratch = Scratch::create(&context.config.scratch, key)?;
    phase(RunPhase::Dataset).await?;
    let dataset = dataset::provide(context, &claim, &spec, &scratch).await?;
    if claim.run.dataset_only {
        return metrics::publish_without_model(context, key, &[]).await;
    }

    phase(RunPhase::Train).await?;
    let summary = train::train(context, key, &spec, &dataset, &scratch).await?;

    phase(RunPhase::Evaluate).await?;
    let evaluation = evaluate::evaluate(context, key, &claim.run, &spec, &dataset, &summary, &scratch).await?;

    phase(RunPhase::Upload).await?;
    let upload = artifacts::upload(context, key, &claim.run, &scratch).await?;

    phase(RunPhase::Publish).await?;
    metrics::publish(context, key, &claim.run, &dataset, &upload, evaluation).await
}
