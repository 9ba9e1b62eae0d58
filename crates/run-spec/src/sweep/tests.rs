//! Tests of the settings and the trials of sweeps.

use serde_json::{Map, Value, json};

use super::SweepParams;
use crate::kind::SweepMetric;

fn parse(params: &Value, seed: u64) -> Result<SweepParams, String> {
    SweepParams::parse(params.as_object().unwrap(), seed).map_err(|error| {
        assert_eq!(error.code(), "bad_params");
        error.to_string()
    })
}

fn chosen(params: &SweepParams) -> Vec<Value> {
    params.trials().iter().map(|trial| Value::Object(trial.chosen.clone())).collect()
}

#[test]
fn a_grid_has_every_combination_and_completes_the_parameters() {
    let sweep = parse(&json!({ "space": { "min_df": [1, 2], "l2": [0.1, null] }, "fixed": { "folds": 3 } }), 1).unwrap();
    let expected = [
        json!({ "l2": 0.1, "min_df": 1 }),
        json!({ "l2": 0.1, "min_df": 2 }),
        json!({ "l2": null, "min_df": 1 }),
        json!({ "l2": null, "min_df": 2 }),
    ];
    assert_eq!(chosen(&sweep), expected);
    assert_eq!(sweep.trials()[3].number, 4);
    assert_eq!(sweep.trials()[1].describe(), "l2=0.1, min_df=2");
    let params = sweep.trials()[1].params.to_json();
    assert_eq!((&params["folds"], &params["min_df"], &params["epochs"]), (&json!(3), &json!(2), &json!(500)));
    assert_eq!((sweep.metric(), sweep.rungs(), sweep.concurrency()), (SweepMetric::Accuracy, 1, 2));
}

#[test]
fn random_trials_depend_on_the_seed_only_and_stay_in_their_ranges() {
    let space = json!({ "l2": { "min": 0.001, "max": 10, "log": true }, "min_df": { "min": 1, "max": 5 }, "sublinear_tf": [true, false] });
    let params = json!({ "search": "random", "trials": 50, "space": space });
    let first = parse(&params, 7).unwrap();
    assert_eq!(first, parse(&params, 7).unwrap());
    assert_ne!(chosen(&first), chosen(&parse(&params, 8).unwrap()));
    assert_eq!(first.trials().len(), 50);
    for trial in first.trials() {
        let (l2, min_df) = (trial.chosen["l2"].as_f64().unwrap(), trial.chosen["min_df"].as_i64().unwrap());
        assert!((0.001..=10.0).contains(&l2) && (1..=5).contains(&min_df), "{:?}", trial.chosen);
    }
    let small = first.trials().iter().filter(|trial| trial.chosen["l2"].as_f64().unwrap() < 0.1).count();
    assert!((15..35).contains(&small), "half of the range of the logarithm is below 0.1, not {small} of 50");
    let all = first.trials();
    assert!(all.iter().enumerate().all(|(index, trial)| all[..index].iter().all(|earlier| earlier.chosen != trial.chosen)));
}

#[test]
fn every_combination_of_a_small_space_can_be_drawn() {
    let sweep = parse(&json!({ "search": "random", "trials": 6, "space": { "min_df": [1, 2, 3], "sublinear_tf": [true, false] } }), 1);
    assert_eq!(sweep.unwrap().trials().len(), 6);
}

#[test]
fn written_settings_are_read_back_unchanged() {
    for params in [
        json!({ "space": { "l2": [0.1, 1] } }),
        json!({
            "search": "random", "space": { "l2": { "min": 0.1, "max": 2 } }, "halving": { "eta": 3, "rungs": 2 }, "metric": "log_loss",
        }),
        json!({ "kind": "sentence-transformer", "space": { "epochs": [1, 2] } }),
    ] {
        let sweep = parse(&params, 42).unwrap();
        let written: Map<String, Value> = serde_json::from_str(&serde_json::to_string(&sweep.to_json()).unwrap()).unwrap();
        assert_eq!(parse(&written.into(), 42).unwrap(), sweep, "{params}");
    }
}

#[test]
fn halving_trains_on_growing_parts_and_keeps_the_best() {
    let params =
        json!({ "search": "random", "trials": 20, "space": { "l2": { "min": 0.1, "max": 2 } }, "halving": { "eta": 3, "rungs": 3 } });
    let sweep = parse(&params, 1).unwrap();
    let fractions: Vec<Option<f64>> = (1..=3).map(|rung| sweep.train_fraction(rung)).collect();
    assert_eq!(sweep.rungs(), 3);
    assert!(fractions[0].is_some_and(|part| (part - 1.0 / 9.0).abs() < 1e-12), "{fractions:?}");
    assert!(fractions[1].is_some_and(|part| (part - 1.0 / 3.0).abs() < 1e-12) && fractions[2].is_none(), "{fractions:?}");
    assert_eq!((sweep.survivors(20), sweep.survivors(7), sweep.survivors(1)), (7, 3, 1));
}

#[test]
fn errors_name_the_parameter() {
    let random = |space: Value| json!({ "search": "random", "space": space });
    let many: Vec<u32> = (1..=15).collect();
    for (params, expected) in [
        (json!({}), "space is empty"),
        (json!({ "space": {} }), "space is empty"),
        (json!({ "spaces": {} }), "`spaces`"),
        (json!({ "space": { "depth": [1] } }), "space.depth is not a parameter of kind `linear`"),
        (json!({ "space": { "l2": [1] }, "fixed": { "depth": 1 } }), "fixed.depth is not a parameter"),
        (json!({ "space": { "l2": [1] }, "fixed": { "l2": 1 } }), "l2 is both in space and in fixed"),
        (json!({ "space": { "l2": [] } }), "space.l2 lists no value"),
        (json!({ "space": { "l2": [1, 2, 1] } }), "space.l2 lists 1 twice"),
        (json!({ "space": { "epochs": (1..=201).collect::<Vec<u32>>() } }), "space.epochs lists 201 values, more than 200"),
        (json!({ "space": { "l2": 1 } }), "space.l2 must be a list"),
        (json!({ "space": { "l2": { "min": 1, "max": 2 } } }), "space.l2 is a range: a grid needs a list"),
        (json!({ "space": { "l2": [0.1, -1] } }), "trial 2 (l2=-1): l2 must be null or from"),
        (json!({ "space": { "epochs": many, "min_df": many } }), "space has 225 combinations, more than 200"),
        (json!({ "space": { "l2": [1] }, "trials": 3 }), "trials is only for search `random`"),
        (json!({ "space": { "l2": [1] }, "concurrency": 0 }), "concurrency must be from 1 to"),
        (json!({ "space": { "l2": [1] }, "metric": "average_precision" }), "metric `average_precision` is not measured by kind `linear`"),
        (json!({ "space": { "l2": [1, 2] }, "halving": { "eta": 3, "rungs": 2 } }), "only 2 trials"),
        (json!({ "space": { "l2": [1, 2] }, "halving": { "eta": 1, "rungs": 2 } }), "halving.eta must be from 2"),
        (json!({ "space": { "l2": [1, 2] }, "halving": { "eta": 2, "rungs": 1 } }), "halving.rungs must be from 2"),
        (json!({ "kind": "evaluate", "space": { "l2": [1] } }), "kind `evaluate` trains nothing"),
        (json!({ "kind": "sweep", "space": { "l2": [1] } }), "kind `sweep` trains nothing"),
        (
            json!({ "kind": "sentence-transformer", "space": { "epochs": [1, 2] }, "halving": { "eta": 2, "rungs": 2 } }),
            "halving is not possible for kind `sentence-transformer`",
        ),
        (random(json!({ "l2": { "min": 2, "max": 1 } })), "space.l2 min must be less than max"),
        (random(json!({ "l2": { "min": 0, "max": 1, "log": true } })), "space.l2 min must be greater than 0"),
        (random(json!({ "l2": { "min": 0, "max": 1 } })), "space.l2 min and max must be from 0.000001"),
        (random(json!({ "min_df": { "min": 1.5, "max": 3 } })), "space.min_df min and max must be whole numbers"),
        (random(json!({ "sublinear_tf": { "min": 0, "max": 1 } })), "space.sublinear_tf has no range"),
        (random(json!({ "l2": { "from": 0, "max": 1 } })), "space.l2 unknown field `from`"),
        (random(json!({ "min_df": [1, 2] })), "trials is 20, but space has only about 2"),
        (json!({ "search": "random", "trials": 201, "space": { "l2": [1] } }), "trials must be from 1 to 200"),
    ] {
        let error = parse(&params, 1).unwrap_err();
        assert!(error.contains(expected), "{params}: {error}");
    }
}
