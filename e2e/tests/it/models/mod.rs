//! Trained models, from the import to predictions and embeddings.

mod base_model_download;
mod card;
mod cuad;
mod embedding_cache;
mod encoders;
mod end_to_end;
mod evaluate_version;
mod evidence;
mod field_classifier;
mod final_fit;
mod inference;
mod life;
mod predict_run;
mod promotion;
mod rollback_under_load;
mod shadow;
mod targets;
mod thresholds;
mod tiny_encoder;
