//! The pipeline of a run, from the dataset to the published model.

mod base_model;
mod checkpoints;
mod dataset;
mod evaluate;
mod objects;
mod params;
mod phases;
mod progress;
mod publish;
mod selection;
mod train;
mod upload;

use runs::{Claim, RunKind, RunPhase};
use tokio_util::sync::CancellationToken;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::evaluate::encoder::TrainedEncoder;
use crate::pipeline::phases::Phases;
use crate::scratch::Scratch;

/// Executes a claimed run up to and including its publication. Every write is fenced by the attempt number.
///
/// When the worker shuts down, a dataset build is abandoned, training saves a checkpoint and stops, and later phases finish if the
/// grace period suffices.
pub(crate) async fn run(deps: &Deps, claim: Claim, shutting_down: &CancellationToken) -> Result<(), Interruption> {
    let attempt = claim.attempt;
    let spec = claim.run.run_spec()?;
    let mut phases = Phases::new(&deps.pool, attempt);

    if claim.run.kind == RunKind::Evaluate {
        phases.enter(RunPhase::Evaluate).await?;
        let metrics = evaluate::extractor::evaluate(deps, &claim.run, &spec).await?;
        phases.enter(RunPhase::Publish).await?;
        return publish::publish_metrics(&deps.pool, attempt, &metrics).await;
    }

    let scratch = Scratch::create(&deps.config.scratch, attempt)?;
    phases.enter(RunPhase::Dataset).await?;
    // the base model comes first: without it, building the dataset would be wasted
    let base = match claim.run.kind {
        RunKind::SentenceTransformer if !claim.run.dataset_only => {
            let resolving = base_model::ensure_base_model(deps, attempt, &spec, &scratch);
            Some(shutting_down.run_until_cancelled(resolving).await.ok_or(Interruption::ShuttingDown)??)
        }
        _ => None,
    };
    let building = dataset::ensure_dataset(deps, &claim, &spec, &scratch);
    let dataset = shutting_down.run_until_cancelled(building).await.ok_or(Interruption::ShuttingDown)??;
    if claim.run.dataset_only {
        return publish::publish_metrics(&deps.pool, attempt, &[]).await;
    }

    phases.enter(RunPhase::Train).await?;
    let summary = train::train(deps, attempt, &spec, base.as_ref(), &dataset, &scratch, shutting_down).await?;

    phases.enter(RunPhase::Evaluate).await?;
    let evaluation = match &base {
        Some(base) => {
            let trained = TrainedEncoder { run: &claim.run, spec: &spec, dataset: &dataset, summary: &summary, base };
            evaluate::encoder::evaluate(deps, attempt, &trained, &scratch).await?
        }
        None => evaluate::linear::evaluate(&deps.pool, attempt, &claim.run, &spec, &dataset, &summary, &scratch).await?,
    };

    phases.enter(RunPhase::Upload).await?;
    let upload = upload::upload(deps, attempt, &claim.run, &scratch).await?;

    phases.enter(RunPhase::Publish).await?;
    publish::publish(&deps.pool, attempt, &claim.run, &dataset, &upload, evaluation).await
}
