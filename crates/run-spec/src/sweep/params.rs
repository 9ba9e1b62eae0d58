//! Settings of a sweep, checked together with every trial that follows from them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::axis::Axis;
use super::halving::Halving;
use super::search::{MAX_TRIALS, Search};
use super::trials::{Trial, combinations};
use crate::error::SpecError;
use crate::kind::{ParamDescription, SweepMetric, TrainingParams};
use crate::run_kind::RunKind;

const DEFAULT_TRIALS: usize = 20;
const DEFAULT_CONCURRENCY: u32 = 2;
const MAX_CONCURRENCY: u32 = 64;
const TRAINED_KINDS: &[&str] = &[RunKind::Linear.as_str(), RunKind::SentenceTransformer.as_str(), RunKind::FieldClassifier.as_str()];
const METRICS: &[&str] = &[SweepMetric::Accuracy.as_str(), SweepMetric::MacroF1.as_str(), SweepMetric::LogLoss.as_str()];

/// The `params` of a run of kind `sweep`, with all its trials.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepParams {
    kind: RunKind,
    search: Search,
    space: BTreeMap<String, Axis>,
    fixed: Map<String, Value>,
    concurrency: u32,
    halving: Option<Halving>,
    metric: SweepMetric,
    trials: Vec<Trial>,
}

/// The settings as a client writes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    kind: RunKind,
    #[serde(default)]
    search: Search,
    #[serde(default)]
    space: Map<String, Value>,
    #[serde(default)]
    fixed: Map<String, Value>,
    trials: Option<usize>,
    #[serde(default = "default_concurrency")]
    concurrency: u32,
    halving: Option<Halving>,
    metric: Option<SweepMetric>,
}

const fn default_concurrency() -> u32 {
    DEFAULT_CONCURRENCY
}

impl SweepParams {
    /// Parses and checks the settings, and derives the trials.
    ///
    /// # Errors
    /// [`SpecError::BadParams`] names the parameter, and the trial if only some trials are invalid.
    pub(crate) fn parse(params: &Map<String, Value>, seed: u64) -> Result<Self, SpecError> {
        let settings: Settings =
            serde_json::from_value(Value::Object(params.clone())).map_err(|error| SpecError::BadParams(error.to_string()))?;
        Self::check(settings, seed).map_err(SpecError::BadParams)
    }

    fn check(settings: Settings, seed: u64) -> Result<Self, String> {
        let Settings { kind, search, space, fixed, trials, concurrency, halving, metric } = settings;
        let defaults = match TrainingParams::parse(kind, &Map::new()) {
            Ok(Some(defaults)) => defaults,
            _ => return Err(format!("kind `{kind}` trains nothing: a sweep varies the parameters of a kind that trains")),
        };
        let descriptions = defaults.descriptions();
        let find = |name: &str| descriptions.iter().copied().find(|description| description.name == name);
        for (key, name) in space.keys().map(|name| ("space", name)).chain(fixed.keys().map(|name| ("fixed", name))) {
            if find(name).is_none() {
                let known: Vec<&str> = descriptions.iter().map(|description| description.name).collect();
                return Err(format!("{key}.{name} is not a parameter of kind `{kind}`: expected one of {}", known.join(", ")));
            }
            if key == "space" && fixed.contains_key(name) {
                return Err(format!("{name} is both in space and in fixed: name it once"));
            }
        }
        if space.is_empty() {
            return Err("space is empty: name at least one parameter with its values, such as {\"min_df\": [1, 2]}".to_owned());
        }
        let describe = |name: &str| find(name).expect("every name of the space was looked up");
        let space = parse_space(&space, describe)?;
        let count = match (search, trials) {
            (Search::Grid, Some(_)) => return Err("trials is only for search `random`: a grid tries every combination".to_owned()),
            (_, trials) => trials.unwrap_or(DEFAULT_TRIALS),
        };
        if !(1..=MAX_TRIALS).contains(&count) {
            return Err(format!("trials must be from 1 to {MAX_TRIALS}, not {count}"));
        }
        if !(1..=MAX_CONCURRENCY).contains(&concurrency) {
            return Err(format!("concurrency must be from 1 to {MAX_CONCURRENCY}, not {concurrency}"));
        }
        let metrics = defaults.sweep_metrics();
        let metric = metric.unwrap_or(metrics[0]);
        if !metrics.contains(&metric) {
            let known: Vec<&str> = metrics.iter().map(|metric| metric.as_str()).collect();
            return Err(format!("metric `{metric}` is not measured by kind `{kind}`: expected {}", known.join(", ")));
        }
        let trials = combinations(search, &space, count, seed, describe)?
            .into_iter()
            .zip(1..)
            .map(|(chosen, number)| trial(kind, number, chosen, &fixed))
            .collect::<Result<Vec<Trial>, String>>()?;
        if let Some(halving) = halving {
            if defaults.trains_on_pairs() {
                return Err(format!("halving is not possible for kind `{kind}`, which trains on pairs: leave it out"));
            }
            halving.check(trials.len())?;
        }
        Ok(Self { kind, search, space, fixed, concurrency, halving, metric, trials })
    }

    /// The default of every setting; `space` has none.
    pub(crate) fn defaults() -> Map<String, Value> {
        let defaults = json!({
            "kind": RunKind::default(), "search": Search::default(), "space": {}, "fixed": {}, "trials": null,
            "concurrency": DEFAULT_CONCURRENCY, "halving": null, "metric": null,
        });
        match defaults {
            Value::Object(defaults) => defaults,
            _ => unreachable!("the macro was given an object"),
        }
    }

    /// Describes every setting.
    pub(crate) const fn descriptions() -> &'static [ParamDescription] {
        const {
            &[
                ParamDescription::object("space", "Parameters to vary: lists of values, or ranges {min, max, log}; required"),
                ParamDescription::choice("kind", TRAINED_KINDS, "Kind that the trials train"),
                ParamDescription::object("fixed", "Other parameters of the trials"),
                ParamDescription::choice("search", &["grid", "random"], "Every combination, or random ones"),
                ParamDescription::integer("trials", 1.0, Some(MAX_TRIALS as f64), "Random search: number of trials; null = 20").nullable(),
                ParamDescription::integer("concurrency", 1.0, Some(MAX_CONCURRENCY as f64), "Trials at the same time, over all workers"),
                ParamDescription::object("halving", "Successive halving, such as {\"eta\": 3, \"rungs\": 2}; null = none").nullable(),
                ParamDescription::choice("metric", METRICS, "Validation metric that selects the best; null = default of the kind")
                    .nullable(),
            ]
        }
    }

    /// The kind that the trials train.
    #[must_use]
    pub const fn kind(&self) -> RunKind {
        self.kind
    }

    /// All trials, by number. There is at least one.
    #[must_use]
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// How many trials run at the same time, over all workers.
    #[must_use]
    pub const fn concurrency(&self) -> u32 {
        self.concurrency
    }

    /// The metric that selects the best trial.
    #[must_use]
    pub const fn metric(&self) -> SweepMetric {
        self.metric
    }

    /// Number of rungs: 1 without successive halving.
    #[must_use]
    pub fn rungs(&self) -> u32 {
        self.halving.map_or(1, |halving| halving.rungs)
    }

    /// The part of train on which a rung trains, numbered from 1; `None` = the whole.
    #[must_use]
    pub fn train_fraction(&self, rung: u32) -> Option<f64> {
        self.halving?.fraction(rung)
    }

    /// Of a rung with this number of trials, how many go on to the next one.
    #[must_use]
    pub fn survivors(&self, trials: usize) -> usize {
        self.halving.map_or(1, |halving| halving.survivors(trials))
    }

    /// The settings, with all defaults written out.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let trials = (self.search == Search::Random).then_some(self.trials.len());
        let settings = json!({
            "kind": self.kind, "search": self.search, "space": self.space, "fixed": self.fixed, "trials": trials,
            "concurrency": self.concurrency, "halving": self.halving, "metric": self.metric,
        });
        match settings {
            Value::Object(settings) => settings,
            _ => unreachable!("the macro was given an object"),
        }
    }
}

fn parse_space(space: &Map<String, Value>, describe: impl Fn(&str) -> ParamDescription) -> Result<BTreeMap<String, Axis>, String> {
    space
        .iter()
        .map(|(name, value)| match Axis::parse(value, &describe(name)) {
            Ok(axis) => Ok((name.clone(), axis)),
            Err(reason) => Err(format!("space.{name} {reason}")),
        })
        .collect()
}

/// A trial, with the same check as the parameters of an ordinary run.
fn trial(kind: RunKind, number: u32, chosen: Map<String, Value>, fixed: &Map<String, Value>) -> Result<Trial, String> {
    let mut params = fixed.clone();
    params.extend(chosen.clone());
    match TrainingParams::parse(kind, &params) {
        Ok(Some(params)) => Ok(Trial { number, chosen, params }),
        Ok(None) => Err(format!("kind `{kind}` trains nothing")),
        Err(SpecError::BadParams(reason)) => Err(format!("trial {number} ({}): {reason}", describe_chosen(&chosen))),
        Err(error) => Err(error.to_string()),
    }
}

/// The varied parameters in words, such as `l2=0.1, min_df=2`.
fn describe_chosen(chosen: &Map<String, Value>) -> String {
    chosen.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

impl Trial {
    /// The varied parameters in words, such as `l2=0.1, min_df=2`.
    #[must_use]
    pub fn describe(&self) -> String {
        describe_chosen(&self.chosen)
    }
}
