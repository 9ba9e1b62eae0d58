//! What the evaluations of all kinds have in common that predict values of fields.

pub(in crate::pipeline::evaluate) mod aggregate;
pub(in crate::pipeline::evaluate) mod calibration;
pub(in crate::pipeline::evaluate) mod errors;
pub(in crate::pipeline::evaluate) mod findings;
pub(in crate::pipeline::evaluate) mod learning_curves;
pub(in crate::pipeline::evaluate) mod model_card;
pub(in crate::pipeline::evaluate) mod plots;
pub(in crate::pipeline::evaluate) mod report;
pub(in crate::pipeline::evaluate) mod scores;
pub(in crate::pipeline::evaluate) mod target_tables;
pub(in crate::pipeline::evaluate) mod test_split;
pub(in crate::pipeline::evaluate) mod trial;
