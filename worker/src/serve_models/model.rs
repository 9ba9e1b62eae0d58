//! A model as the inference process serves it.

use std::sync::Arc;

use aprendiz_classifier::{EvidencedPrediction, FieldModel};
use aprendiz_inference::protocol::ServedPrediction;
use rayon::ThreadPool;

use crate::serve_models::batch::Predictor;

/// A loaded model, and the threads that compute it.
pub(super) struct ServedModel {
    pub(super) model: FieldModel,
    pub(super) threads: Arc<ThreadPool>,
}

impl Predictor for ServedModel {
    fn predict(&self, texts: &[String], top_k: usize) -> Result<Vec<Vec<ServedPrediction>>, String> {
        let predictions = self.threads.install(|| self.model.predict(texts)).map_err(|error| error.to_string())?;
        let fields = self.model.fields();
        let serve = |text: &str, EvidencedPrediction { mut prediction, evidence }: EvidencedPrediction| {
            prediction.top.truncate(top_k);
            let threshold = fields.iter().find(|field| field.name == prediction.field).and_then(|field| field.threshold);
            let evidence = evidence.and_then(|bytes| character_offsets(text, bytes));
            ServedPrediction { prediction, threshold, evidence, words: Vec::new() }
        };
        let of_texts = texts.iter().zip(predictions);
        Ok(of_texts.map(|(text, fields)| fields.into_iter().map(|prediction| serve(text, prediction)).collect()).collect())
    }
}

/// Offsets in characters, as in `test_predictions.jsonl`, from offsets in bytes.
fn character_offsets(text: &str, (start, end): (usize, usize)) -> Option<(usize, usize)> {
    let before = text.get(..start)?.chars().count();
    Some((before, before + text.get(start..end)?.chars().count()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aprendiz_classifier::{
        ChunkSettings, ClassifierConfig, ENCODER_FOLDER, FORMAT_VERSION, FieldHead, Heads, KIND_FIELD_CLASSIFIER, POSITIONS, Vocabulary,
        WordWeights,
    };
    use aprendiz_encoder::Encoder;
    use aprendiz_inference::{
        DocumentFrequencies, FEATURES_VERSION, FeatureConfig, FieldConfig, NgramCounter, ThresholdStatus, TrainingInfo, manifest,
    };
    use aprendiz_run_spec::Backend;
    use serde_json::Value;

    use super::*;

    #[test]
    fn offsets_count_characters() {
        assert_eq!(character_offsets("São Paulo", (5, 10)), Some((4, 9)));
        assert_eq!(character_offsets("São Paulo", (0, 2)), None, "within a character");
    }

    /// Writes a published classifier with a random encoder.
    fn write_model(dir: &std::path::Path) {
        let folder = dir.join(ENCODER_FOLDER);
        aprendiz_encoder::write_random(&folder, 7).unwrap();
        let size = Encoder::load(&folder, &aprendiz_training::device(Backend::Auto).unwrap()).unwrap().vector_size();
        let field = |name: &str| FieldConfig {
            name: name.to_owned(),
            labels: vec![Some("São Paulo".to_owned()), Some("Texas".to_owned()), None],
            train_counts: vec![2, 2, 1],
            unlearnable: Vec::new(),
            l2: 1.0,
            threshold: (name == "law").then_some(0.5),
            threshold_status: if name == "law" { ThresholdStatus::Ok } else { ThresholdStatus::TargetUnreachable },
        };
        let words = FeatureConfig {
            version: FEATURES_VERSION,
            word_ngrams: [1, 2],
            char_ngrams: [0, 0],
            word_pairs: 0,
            lead_chars: 0,
            sublinear_tf: true,
            min_df: 1,
            max_features: 100,
        };
        let mut frequencies = DocumentFrequencies::new();
        frequencies.add(&NgramCounter::new().count(&words, "the laws of texas govern"));
        let vectorizer = frequencies.into_vectorizer(words.clone());
        let config = ClassifierConfig {
            format_version: FORMAT_VERSION,
            kind: KIND_FIELD_CLASSIFIER.to_owned(),
            chunks: ChunkSettings { tokens: 24, overlap: 6, max_chunks: 8 },
            vector_size: size,
            words: Some(words.clone()),
            base_model: "0".repeat(64),
            fields: vec![field("kind"), field("law")],
            target_accuracy: 0.9,
            seed: 1,
            training: TrainingInfo {
                train_documents: 5,
                validation_documents: 1,
                backend: "flex".to_owned(),
                cpu_kernel: "avx2".to_owned(),
                version: "1".to_owned(),
                params: Value::Null,
            },
        };
        let values = |count: usize, seed: usize| (0..count).map(|index| ((index * 7 + seed * 13) % 11) as f32 / 5.0 - 1.0).collect();
        let head = |seed| FieldHead {
            query: values(size, seed),
            position: values(POSITIONS, seed),
            weight: values(3 * size, seed + 1),
            bias: values(3, seed + 2),
            words: Some(WordWeights { ngrams: values(4 * vectorizer.len(), seed + 3), mention: 2.0, absent: values(4, seed + 4) }),
        };
        config.write(dir).unwrap();
        let vocabulary = Some(Vocabulary { keys: vectorizer.keys().to_vec(), idf: vectorizer.idf().to_vec() });
        Heads { fields: vec![head(1), head(5)], vocabulary }.write(dir, &config).unwrap();
        manifest::write(dir).unwrap();
    }

    /// The promise that lets requests share batches: an answer depends on its own text only, to the last bit.
    #[test]
    fn an_answer_does_not_depend_on_the_other_texts_or_the_threads() {
        let dir = tempfile::tempdir().unwrap();
        write_model(dir.path());
        let load = |threads| ServedModel {
            model: FieldModel::load(dir.path(), &aprendiz_training::device(Backend::Auto).unwrap()).unwrap(),
            threads: Arc::new(rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()),
        };
        let model = load(2);
        let mut texts: Vec<String> = vec!["x".to_owned(), String::new(), "the laws of texas govern, São Paulo ".repeat(30)];
        texts.extend((1..30).map(|number| format!("text {number} {}", "of the state ".repeat(number % 9))));
        let together = Predictor::predict(&model, &texts, 2).unwrap();
        let single = load(1);
        for (text, expected) in texts.iter().zip(&together) {
            for model in [&model, &single] {
                let alone = Predictor::predict(model, std::slice::from_ref(text), 2).unwrap();
                // as text: a number is written with all the digits that distinguish it
                assert_eq!(serde_json::to_string(&alone[0]).unwrap(), serde_json::to_string(expected).unwrap(), "{text}");
            }
        }
        let pairs: BTreeMap<usize, Vec<ServedPrediction>> = texts
            .chunks(5)
            .enumerate()
            .flat_map(|(chunk, texts)| {
                let predicted = Predictor::predict(&model, texts, 2).unwrap();
                predicted.into_iter().enumerate().map(move |(index, fields)| (chunk * 5 + index, fields))
            })
            .collect();
        assert!(pairs.into_values().eq(together.iter().cloned()));
        let law = &together[2][1];
        assert_eq!((law.threshold, law.prediction.top.len()), (Some(0.5), 2));
        let (start, end) = law.evidence.unwrap();
        assert!(start < end && end <= texts[2].chars().count());
        assert!(together[1].iter().all(|field| field.evidence.is_none() && field.prediction.no_known_feature));
        assert_eq!(together[0][0].threshold, None);
    }
}
