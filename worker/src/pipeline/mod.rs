//! The pipeline of a run, from the dataset to the published model.

mod base_model;
mod checkpoints;
mod dataset;
mod embedding_cache;
mod evaluate;
mod evaluate_version;
mod losses;
mod objects;
mod phase_span;
mod phases;
mod predict;
mod progress;
mod publish;
mod run_log;
mod selection;
mod snapshot_files;
mod sweep;
mod train;
mod upload;
mod used_version;
mod verify;
mod version_files;

use aprendiz_db::run_blocking;
use aprendiz_run_spec::KindSpec;
use aprendiz_runs::{Claim, DatasetId, RunPhase, SweepRole};
use tokio_util::sync::CancellationToken;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::embedding_cache::{EmbeddingCache, NewVectors};
use crate::pipeline::evaluate::trained_model::TrainedModel;
use crate::pipeline::losses::run_losses;
use crate::pipeline::phase_span::PhaseSpan;
use crate::pipeline::phases::Phases;
use crate::pipeline::train::TrainingReports;
use crate::scratch::Scratch;

/// Executes a claimed run up to and including its publication. Every write is fenced by the attempt number.
///
/// When the worker shuts down, a dataset build is abandoned, training saves a checkpoint and stops, and later phases finish if the
/// grace period suffices.
pub(crate) async fn run(deps: &Deps, claim: Claim, shutting_down: &CancellationToken) -> Result<(), Interruption> {
    let span = PhaseSpan::new();
    let phases = Phases::new(&deps.database, claim.attempt, span.clone());
    span.instrument(Box::pin(execute(deps, claim, phases, shutting_down))).await
}

async fn execute(deps: &Deps, claim: Claim, mut phases: Phases<'_>, shutting_down: &CancellationToken) -> Result<(), Interruption> {
    let attempt = claim.attempt;
    let spec = claim.run.validated_spec()?;

    let (params, base_model) = match spec.kind() {
        KindSpec::Train { params, base_model } => (params, base_model),
        // only its dataset is requested, which is that of its trials
        KindSpec::Sweep { params, base_model } if claim.run.dataset_only => (&params.trials()[0].params, base_model),
        KindSpec::Sweep { params, .. } => return sweep::advance(deps, &claim, &spec, params).await,
        KindSpec::Evaluate { model_version: Some(number) } => {
            // boxed, as the other long phase: the futures of a whole run in one would exceed what the compiler can lay out
            return Box::pin(evaluate_version::run(deps, &claim, &spec, *number, &mut phases, shutting_down)).await;
        }
        KindSpec::Predict { model_version, params } => {
            return Box::pin(predict::run(deps, &claim, &spec, (*model_version, params), &mut phases, shutting_down)).await;
        }
        KindSpec::Evaluate { model_version: None } => {
            phases.enter(RunPhase::Evaluate).await?;
            let (metrics, errors) = evaluate::extractor::evaluate(deps, &claim.run, &spec).await?;
            phases.enter(RunPhase::Publish).await?;
            return publish::publish_metrics(&deps.database, attempt, &metrics, &errors).await;
        }
    };

    let parent = deps.config.scratch.clone();
    let scratch = run_blocking(move || Scratch::create(&parent, attempt)).await?;
    phases.enter(RunPhase::Dataset).await?;
    // the base model comes first: without it, building the dataset would be wasted
    let base = match base_model {
        Some(name) if !claim.run.dataset_only => {
            let resolving = base_model::ensure_base_model(deps, attempt, name, &scratch);
            Some(shutting_down.run_until_cancelled(resolving).await.ok_or(Interruption::ShuttingDown)??)
        }
        _ => None,
    };
    let building = dataset::ensure_dataset(deps, &claim, &spec, &scratch);
    let dataset = shutting_down.run_until_cancelled(building).await.ok_or(Interruption::ShuttingDown)??;
    if claim.run.dataset_only {
        return publish::publish_metrics(&deps.database, attempt, &[], &[]).await;
    }

    let verified = verify::find_verified_version(deps, &claim.run).await?;
    if let Some(version) = &verified
        && let Some(reason) = verify::find_obstacle(version, &dataset, base.as_ref())
    {
        phases.enter(RunPhase::Publish).await?;
        return verify::publish_obstacle(&deps.database, attempt, version, reason).await;
    }

    phases.enter(RunPhase::Train).await?;
    let cache = match &base {
        Some(base) if params.freezes_base_model() => {
            EmbeddingCache::download(deps, attempt, &base.model.hash, spec.backend(), &scratch, NewVectors::Training).await
        }
        _ => None,
    };
    let job = train::training_job(deps, &spec, params, base.as_ref(), &claim.run, cache.as_ref(), &scratch);
    let reports = TrainingReports::default();
    let trained = train::train(deps, attempt, job, &dataset, &scratch, &reports, shutting_down).await;
    // new vectors are kept even if the training stopped or failed: the next attempt needs them
    if let (Some(cache), Some(usage), Ok(_) | Err(Interruption::ShuttingDown | Interruption::Failed(_))) =
        (&cache, reports.embeddings(), &trained)
    {
        cache.store(deps, attempt, DatasetId(dataset.id), &usage).await?;
    }
    let summary = trained?;

    phases.enter(RunPhase::Evaluate).await?;
    if claim.run.sweep_role == Some(SweepRole::Trial) {
        let metrics = evaluate::dispatch::validate(params, &summary, &scratch).await?;
        phases.enter(RunPhase::Publish).await?;
        return publish::publish_metrics(&deps.database, attempt, &metrics, &[]).await;
    }
    let losses = run_losses(&deps.database, attempt.run_id, summary.resumed_from_step, &reports.losses.into_points()).await?;
    let trained = TrainedModel { run: &claim.run, spec: &spec, dataset: &dataset, summary: &summary, base: base.as_ref(), losses: &losses };
    let evaluation = Box::pin(evaluate::dispatch::evaluate(deps, attempt, params, &trained, &scratch)).await?;

    if let Some(version) = &verified {
        phases.enter(RunPhase::Publish).await?;
        return verify::publish_comparison(&deps.database, attempt, version, &dataset, &evaluation.metrics, &scratch).await;
    }

    phases.enter(RunPhase::Upload).await?;
    let upload = upload::upload(deps, attempt, &claim.run, &summary.settings, &scratch).await?;

    phases.enter(RunPhase::Publish).await?;
    publish::publish(&deps.database, attempt, &claim.run, &dataset, &upload, evaluation).await
}
