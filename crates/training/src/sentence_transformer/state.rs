//! All that a training depends on between two steps, into a checkpoint and back.

use burn::tensor::Device;
use encoder::Bert;

use crate::{
    gram::{matrix, read},
    halt::Halt,
    record::Record,
    sentence_transformer::{
        adamw::{self, Moments, Parameters},
        score::PairFigures,
    },
};

/// Where a training stands. Which pairs come next follows from the seed and the place, so there is no state of random numbers.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// The network that learns.
    pub(super) model: Bert,
    pub(super) moments: Moments,
    /// Epoch under way, from 0.
    pub(super) epoch: usize,
    /// Batches of it that are done.
    pub(super) batch: usize,
    /// Figures of the base model on validation.
    pub(super) base: Option<PairFigures>,
    /// The best epoch so far on validation.
    pub(super) best: Option<Best>,
}

#[derive(Debug, Clone)]
pub(super) struct Best {
    pub(super) figures: PairFigures,
    /// From 1.
    pub(super) epoch: usize,
    pub(super) parameters: Parameters,
}

impl State {
    pub(super) fn begin(model: Bert, base: Option<PairFigures>) -> Self {
        Self { model, moments: Moments::default(), epoch: 0, batch: 0, base, best: None }
    }

    /// The state as a record. The numbers of the network come as `parameters`, because reading them may fail and this may not.
    pub(super) fn save(&self, parameters: &Parameters, device: &Device) -> Record {
        let mut record = Record::default().with_number("epoch", self.epoch as f64).with_number("batch", self.batch as f64);
        let mut put = |prefix: &str, parameters: &Parameters| {
            for (path, values) in parameters {
                let tensor = matrix(values.clone(), [1, values.len()], device);
                record.tensors.insert(format!("{prefix}.{path}"), tensor);
            }
        };
        put("weights", parameters);
        put("first", &self.moments.first);
        put("second", &self.moments.second);
        if let Some(best) = &self.best {
            put("best", &best.parameters);
            record = record.with_number("best_epoch", best.epoch as f64);
            record = with_figures(record, "best", best.figures);
        }
        match self.base {
            Some(figures) => with_figures(record, "base", figures),
            None => record,
        }
    }

    /// The state that was saved, for a network of the shape of `model`.
    pub(super) fn restore(record: &Record, model: Bert, training: &Device) -> Result<Self, Halt> {
        let shapes = adamw::parameters(&model)?;
        let take = |prefix: &str| -> Result<Parameters, Halt> {
            let one = |(path, values): (&String, &Vec<f32>)| {
                let tensor = record.tensor(&format!("{prefix}.{path}"), [1, values.len()])?;
                Ok((path.clone(), read(tensor)?))
            };
            shapes.iter().map(one).collect()
        };
        let moments =
            |prefix: &str| if record.tensors.keys().any(|name| name.starts_with(prefix)) { take(prefix) } else { Ok(Parameters::new()) };
        let mut weights = take("weights")?;
        let best = match record.numbers.contains_key("best_epoch") {
            true => Some(Best { figures: figures(record, "best")?, epoch: record.count("best_epoch")?, parameters: take("best")? }),
            false => None,
        };
        let base = if record.numbers.contains_key("base_average_precision") { Some(figures(record, "base")?) } else { None };
        let state = Self {
            moments: Moments::new(moments("first")?, moments("second")?),
            epoch: record.count("epoch")?,
            batch: record.count("batch")?,
            base,
            best,
            model: adamw::change(model, training, |path, _, values| weights.remove(path).unwrap_or(values))?,
        };
        Ok(state)
    }
}

fn with_figures(record: Record, prefix: &str, figures: PairFigures) -> Record {
    record
        .with_number(&format!("{prefix}_average_precision"), figures.average_precision)
        .with_number(&format!("{prefix}_spearman"), figures.spearman)
}

fn figures(record: &Record, prefix: &str) -> Result<PairFigures, Halt> {
    Ok(PairFigures {
        average_precision: record.number(&format!("{prefix}_average_precision"))?,
        spearman: record.number(&format!("{prefix}_spearman"))?,
    })
}
