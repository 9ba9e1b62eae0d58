//! Adam. Kingma and Ba, 2014, arXiv:1412.6980.

use burn::tensor::{Device, Tensor};
use serde_json::{Value, json};

const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The settings that no parameter changes, as decimal numbers.
pub(super) fn settings() -> Value {
    json!({
        "algorithm": "Adam", "first_decay": FIRST_DECAY.to_string(), "second_decay": SECOND_DECAY.to_string(),
        "epsilon": EPSILON.to_string(), "schedule": "cosine to 0",
    })
}

/// One step: its learning rate, and the corrections of the moments.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdamStep {
    learning_rate: f64,
    first_correction: f64,
    second_correction: f64,
}

impl AdamStep {
    /// The step of a number, which counts from 1.
    pub(super) fn new(learning_rate: f64, number: i32) -> Self {
        Self { learning_rate, first_correction: 1.0 - FIRST_DECAY.powi(number), second_correction: 1.0 - SECOND_DECAY.powi(number) }
    }

    /// Changes one value and its moments.
    pub(super) fn apply(self, value: &mut f32, first: &mut f32, second: &mut f32, gradient: f32) {
        const FIRST: f32 = FIRST_DECAY as f32;
        const SECOND: f32 = SECOND_DECAY as f32;
        *first = *first * FIRST + gradient * (1.0 - FIRST);
        *second = *second * SECOND + gradient * gradient * (1.0 - SECOND);
        let scale = (*second / self.second_correction as f32).sqrt() + EPSILON as f32;
        *value -= *first / self.first_correction as f32 / scale * self.learning_rate as f32;
    }
}

/// A matrix with its moments.
pub(super) struct Parameter {
    pub(super) value: Tensor<2>,
    pub(super) moments: [Tensor<2>; 2],
}

impl Parameter {
    pub(super) fn zeros(shape: [usize; 2], device: &Device) -> Self {
        let zeros = || Tensor::zeros(shape, device);
        Self { value: zeros(), moments: [zeros(), zeros()] }
    }

    pub(super) fn update(self, gradient: Tensor<2>, step: AdamStep) -> Self {
        let [first, second] = self.moments;
        let first = first * FIRST_DECAY + gradient.clone() * (1.0 - FIRST_DECAY);
        let second = second * SECOND_DECAY + gradient.square() * (1.0 - SECOND_DECAY);
        let corrected = first.clone() / step.first_correction;
        let scale = (second.clone() / step.second_correction).sqrt() + EPSILON;
        Self { value: self.value - corrected / scale * step.learning_rate, moments: [first, second] }
    }
}
