//! Report of the comparisons of a challenger with the champion.

use std::collections::BTreeMap;

use aprendiz_evaluation::{Interval, mcnemar_exact, wilson};
use aprendiz_runs::{
    CHALLENGER, CHAMPION, ShadowCount, ShadowDisagreement, ShadowFilter, ShadowJudgement, count_shadow, count_shadow_drops, find_alias,
    get_model_settings, judge_shadow, list_shadow_disagreements,
};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_number_cursor, encode_number_cursor};
use crate::api::models::aliases::no_alias;
use crate::api::models::version::{find_model_version, require_model};
use crate::api::state::AppState;

pub(in crate::api::models) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ShadowQuery {
    /// Number of the version that answered; default: the champion
    champion: Option<i32>,
    /// Number of the version that was compared with it; default: the challenger
    challenger: Option<i32>,
    /// Only this field
    field: Option<String>,
    /// `next_cursor` of the previous page of disagreements
    cursor: Option<String>,
    /// Number of disagreements per page, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// How often two versions disagree, and which one was right.
#[derive(Debug, Serialize, ToSchema)]
struct ShadowReport {
    /// Name of the model.
    model: String,
    /// Number of the version that answered.
    champion: i32,
    /// Number of the version that was compared with it.
    challenger: i32,
    /// Share of the predictions that is compared at present.
    share: f64,
    /// Compared inputs within the retention.
    compared: u64,
    /// Inputs that were not compared, by reason.
    dropped: ShadowDropped,
    /// One entry per field, by name.
    fields: Vec<ShadowField>,
    /// Disagreements, newest first.
    disagreements: Page<ShadowDisagreement>,
}

/// Inputs that were not compared.
#[derive(Debug, Default, Serialize, ToSchema)]
struct ShadowDropped {
    /// The queue of a server was full.
    queue_full: u64,
    /// The challenger could not predict, or the result could not be stored.
    failed: u64,
}

/// How often the values differ.
#[derive(Debug, Serialize, ToSchema)]
struct ShadowRate {
    /// Compared inputs.
    compared: u64,
    /// Those with different values.
    disagreed: u64,
    /// `disagreed` of `compared`, 0 to 1; null without inputs.
    rate: Option<f64>,
    /// Wilson's 95 % interval of the rate; null without inputs.
    interval: Option<Interval>,
}

/// Disagreements of a field.
#[derive(Debug, Serialize, ToSchema)]
struct ShadowField {
    /// The field.
    field: String,
    #[serde(flatten)]
    rate: ShadowRate,
    /// One entry per class that the champion answered.
    classes: Vec<ShadowClass>,
    /// Which version was right, where a reviewer gave the value later.
    reviewed: ShadowReviewed,
}

/// Disagreements of inputs for which the champion answered a class.
#[derive(Debug, Serialize, ToSchema)]
struct ShadowClass {
    /// The class; an empty list means "no value".
    value: Vec<String>,
    #[serde(flatten)]
    rate: ShadowRate,
}

/// Stored disagreements with a later review.
#[derive(Debug, Serialize, ToSchema)]
struct ShadowReviewed {
    /// Their number.
    n: u64,
    /// The champion has the value of the reviewer.
    champion_right: u64,
    /// The challenger has the value of the reviewer.
    challenger_right: u64,
    /// Neither has it.
    both_wrong: u64,
    /// Both have it: their values differ only in their spelling.
    both_right: u64,
    /// Exact McNemar test of `champion_right` and `challenger_right`, two-sided; 1 without such disagreements.
    p_value: f64,
}

/// Shows how the challenger differs from the champion on the inputs of predictions
///
/// Without `champion` and `challenger`, the versions that these aliases name now.
#[utoipa::path(
    get, path = "/v1/models/{name}/shadow", tag = "models", params(("name" = String, Path), ShadowQuery),
    responses(
        (status = 200, description = "The comparison", body = ShadowReport),
        (status = 404, description = "Model, version or alias not found", body = Problem),
    ),
)]
async fn show(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<ShadowQuery>,
) -> Result<Json<ShadowReport>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let limit = checked_limit(query.limit)?;
    let before = query.cursor.as_deref().map(decode_number_cursor).transpose()?;
    let mut conn = state.database.snapshot().await?;
    find_model_version(&mut conn, &name, None).await?;
    let champion = named_version(&mut conn, &name, CHAMPION, query.champion).await?;
    let challenger = named_version(&mut conn, &name, CHALLENGER, query.challenger).await?;
    let share = get_model_settings(&mut conn, &name).await?.map_or(1.0, |settings| settings.shadow_share);
    let filter = ShadowFilter { model: &name, champion, challenger, field: query.field.as_deref() };
    let fields = summarize(count_shadow(&mut conn, filter).await?, judge_shadow(&mut conn, filter).await?);
    let mut dropped = ShadowDropped::default();
    for (reason, count) in count_shadow_drops(&mut conn, filter).await? {
        match reason.as_str() {
            "queue_full" => dropped.queue_full = count.unsigned_abs(),
            _ => dropped.failed += count.unsigned_abs(),
        }
    }
    let disagreements = list_shadow_disagreements(&mut conn, filter, before, limit + 1).await?;
    drop(conn);
    // every input is compared in all fields that both versions have
    let compared = fields.iter().map(|field| field.rate.compared).max().unwrap_or(0);
    let disagreements = Page::from_items(disagreements, limit, |row| encode_number_cursor(row.id));
    Ok(Json(ShadowReport { champion, challenger, share, compared, dropped, fields, disagreements, model: name }))
}

/// The version with the number, which must exist, or the one that the alias names.
async fn named_version(conn: &mut PgConnection, model: &str, alias: &str, number: Option<i32>) -> Result<i32, ApiError> {
    match number {
        Some(number) => Ok(find_model_version(conn, model, Some(number)).await?.number),
        None => Ok(find_alias(conn, model, alias).await?.ok_or_else(|| no_alias(model, alias))?.number),
    }
}

impl ShadowRate {
    fn new(compared: u64, disagreed: u64) -> Self {
        let rate = (compared > 0).then(|| disagreed as f64 / compared as f64);
        Self { compared, disagreed, rate, interval: wilson(disagreed, compared) }
    }
}

fn summarize(counts: Vec<ShadowCount>, judgements: Vec<ShadowJudgement>) -> Vec<ShadowField> {
    let mut judged: BTreeMap<String, ShadowJudgement> = judgements.into_iter().map(|row| (row.field.clone(), row)).collect();
    let mut by_field: BTreeMap<String, Vec<ShadowCount>> = judged.keys().map(|field| (field.clone(), Vec::new())).collect();
    for count in counts {
        by_field.entry(count.field.clone()).or_default().push(count);
    }
    let summary = by_field.into_iter().map(|(field, counts)| {
        let sum = |select: fn(&ShadowCount) -> i64| counts.iter().map(|count| select(count).unsigned_abs()).sum();
        let rate = ShadowRate::new(sum(|count| count.compared), sum(|count| count.disagreed));
        let reviewed = ShadowReviewed::new(judged.remove(&field).as_ref());
        let class = |count: ShadowCount| ShadowClass {
            rate: ShadowRate::new(count.compared.unsigned_abs(), count.disagreed.unsigned_abs()),
            value: count.class,
        };
        ShadowField { field, rate, reviewed, classes: counts.into_iter().map(class).collect() }
    });
    summary.collect()
}

impl ShadowReviewed {
    fn new(judgement: Option<&ShadowJudgement>) -> Self {
        let count = |select: fn(&ShadowJudgement) -> i64| judgement.map_or(0, |judgement| select(judgement).unsigned_abs());
        let (champion_right, challenger_right) = (count(|row| row.champion_right), count(|row| row.challenger_right));
        let (both_wrong, both_right) = (count(|row| row.both_wrong), count(|row| row.both_right));
        Self {
            n: champion_right + challenger_right + both_wrong + both_right,
            champion_right,
            challenger_right,
            both_wrong,
            both_right,
            p_value: mcnemar_exact(challenger_right, champion_right),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_adds_up_the_classes_and_tests_the_reviewed_disagreements() {
        let count = |class: &[&str], compared, disagreed| ShadowCount {
            field: "law".to_owned(),
            class: class.iter().map(|value| (*value).to_owned()).collect(),
            compared,
            disagreed,
        };
        let judged = ShadowJudgement { field: "law".to_owned(), champion_right: 1, challenger_right: 5, both_wrong: 2, both_right: 0 };
        let fields = summarize(vec![count(&[], 30, 6), count(&["Utah"], 70, 4)], vec![judged]);
        let field = &fields[0];
        assert_eq!((fields.len(), field.rate.compared, field.rate.disagreed, field.rate.rate), (1, 100, 10, Some(0.1)));
        // Wilson at 10 of 100: (0.1 + 0.0192073 ± 1.959964 * sqrt(0.0009 + 0.000096036)) / 1.0384146
        let interval = field.rate.interval.unwrap();
        assert!((interval.low - 0.055_229).abs() < 1e-5 && (interval.high - 0.174_366).abs() < 1e-5, "{interval:?}");
        assert_eq!(field.classes.iter().map(|class| class.rate.disagreed).collect::<Vec<_>>(), [6, 4]);
        // 1 and 5: 2 * (C(6,0) + C(6,1)) / 2^6 = 14/64
        assert_eq!(field.reviewed.n, 8);
        assert!((field.reviewed.p_value - 14.0 / 64.0).abs() < 1e-12);
    }
}
