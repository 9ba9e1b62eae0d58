//! Resolves the data section of a run spec to a dataset selection.

use aprendiz_dataset::{PairSide, PairsRequest, Selection, SelectionRequest};
use aprendiz_run_spec::{PairsOf, PairsSpec, ValidatedSpec};
use aprendiz_runs::TrainingRun;
use sqlx::PgConnection;

use crate::interruption::Interruption;

/// Resolves the selection of a run, with all defaults made explicit.
pub(crate) async fn resolve_selection(conn: &mut PgConnection, run: &TrainingRun, spec: &ValidatedSpec) -> Result<Selection, Interruption> {
    let request = SelectionRequest {
        fields: spec.data().fields.clone(),
        documents: aprendiz_runs::list_run_documents(conn, run.id).await?,
        source: spec.data().filter.source.clone(),
        project: spec.data().filter.project.clone(),
        min_support: spec.data().min_support,
        pairs: spec.data().pairs.as_ref().map(|pairs| pairs_request(pairs, spec.seed())),
        position: run.position,
    };
    Ok(Selection::resolve(conn, request).await?)
}

fn pairs_request(pairs: &PairsSpec, seed: u64) -> PairsRequest {
    let side = |of: &PairsOf| match of {
        PairsOf::Values => PairSide::Values,
        PairsOf::Texts => PairSide::Texts,
    };
    let PairsSpec { of, per_label, hard_negatives, max_chars } = pairs;
    PairsRequest { of: of.iter().map(side).collect(), per_label: *per_label, hard_negatives: *hard_negatives, max_chars: *max_chars, seed }
}
