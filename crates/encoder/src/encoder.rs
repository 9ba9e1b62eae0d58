//! The sentence encoder: texts in, vectors out.

use std::{borrow::Cow, path::Path};

use burn::tensor::{Device, Tensor};
use serde_json::{Map, Value};

use crate::{
    embedding_cache::EmbeddingCache,
    error::EncoderError,
    files::WEIGHTS_FILE,
    model::{
        batch::Batch,
        config::NetworkConfig,
        directory::ModelDirectory,
        modules::{AfterPooling, Modules},
        network::{Network, TokenRows},
        parts::dense_prefix,
        weights::Weights,
    },
    pooling_mode::{EMPTY_MAXIMUM, PoolingMode},
    tokenizer::Tokenizer,
};

/// Lower bound of the norm that a vector is divided by.
const MIN_NORM: f32 = 1e-12;

/// Rows that a dense module computes together, so that a vector does not depend on the number of texts in its batch: matrix products add up
/// the terms of very few rows in another order.
const DENSE_ROWS: usize = 32;

/// A tokenizer, a network and the pooling of token vectors.
#[derive(Debug, Clone)]
pub struct Encoder {
    config: NetworkConfig,
    pub(crate) modules: Modules,
    pub(crate) tokenizer: Tokenizer,
    /// The network.
    pub model: Network,
    /// Tensors of the model that are not used here, such as the pooler of BERT.
    unused: Weights,
    /// The unmodified contents of `config.json` and `tokenizer.json`.
    pub(crate) config_text: String,
    pub(crate) tokenizer_text: String,
    /// Contents of `tokenizer_config.json`.
    pub(crate) tokenizer_config: Map<String, Value>,
    /// Whether the directory has tensors that are not part of the encoder.
    pub(crate) has_ignored_tensors: bool,
    notes: Vec<String>,
}

impl Encoder {
    /// Loads a directory in the layout of sentence-transformers, or a bare model of transformers.
    ///
    /// On a device with autodiff, the weights can be trained.
    ///
    /// # Errors
    /// `io` if a file cannot be read, `bad_base_model` if a file is malformed, a tensor is missing, unexpected or of another shape, or the
    /// directory requires something that is not supported.
    pub fn load(dir: &Path, device: &Device) -> Result<Self, EncoderError> {
        let ModelDirectory { config, config_text, tokenizer_text, tokenizer_config, modules, tokenizer, weights, notes, .. } =
            ModelDirectory::read(dir)?;
        let has_ignored_tensors = !weights.names.outside.is_empty();
        let mut weights = weights.load()?;
        for (number, dense) in modules.dense().enumerate() {
            let tensors = dense.load(&dir.join(&dense.folder).join(WEIGHTS_FILE))?;
            weights.extend(tensors.into_iter().map(|(name, tensor)| (format!("{}{name}", dense_prefix(number)), tensor)));
        }
        let model = Network::from_weights(&config, modules.dense(), &mut weights, device);
        let model = model.map_err(|reason| EncoderError::rejected(dir.join(WEIGHTS_FILE), reason))?;
        // what remains is the pooler of BERT and positions that no token has: everything else was checked
        Ok(Self {
            config,
            modules,
            tokenizer,
            model,
            unused: weights,
            config_text,
            tokenizer_text,
            tokenizer_config,
            has_ignored_tensors,
            notes,
        })
    }

    /// An encoder from its parts. `texts` are the contents of its `config.json` and `tokenizer.json`.
    pub(crate) fn from_parts(
        model: Network,
        tokenizer: Tokenizer,
        modules: Modules,
        config: NetworkConfig,
        texts: (String, String),
    ) -> Self {
        let (config_text, tokenizer_text) = texts;
        Self {
            config,
            modules,
            tokenizer,
            model,
            unused: Weights::new(),
            config_text,
            tokenizer_text,
            tokenizer_config: Map::new(),
            has_ignored_tensors: false,
            notes: Vec::new(),
        }
    }

    /// Configuration of the network.
    #[must_use]
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// Maximum length of a text in tokens, special tokens included.
    #[must_use]
    pub fn max_length(&self) -> usize {
        self.modules.max_length
    }

    /// Sets the maximum length of a text, at most the maximum of the network. Longer texts are truncated.
    pub fn set_max_length(&mut self, length: usize) {
        self.modules.max_length = length.clamp(3, self.config.max_positions());
    }

    /// What was assumed, ignored or converted when the directory was read, a sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Token ids of a text with the default prompt before it, truncated to the maximum length.
    #[must_use]
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        let text = match self.modules.prompts.default_text() {
            "" => Cow::Borrowed(text),
            prompt => Cow::Owned(format!("{prompt}{text}")),
        };
        self.tokenizer.encode(&text, self.modules.max_length)
    }

    /// Byte offsets of all tokens of a text, without special tokens and without a prompt, whatever its length.
    #[must_use]
    pub fn token_offsets(&self, text: &str) -> Vec<(usize, usize)> {
        self.tokenizer.offsets(text)
    }

    /// A batch of tokenized texts.
    #[must_use]
    pub fn batch<T: AsRef<[u32]>>(&self, texts: &[T]) -> Batch {
        Batch::new(texts, self.tokenizer.pad()).leave_out(self.left_out())
    }

    /// Number of tokens at the start of every text that do not count in its mean: as in sentence-transformers, those of the default prompt
    /// and the special tokens before it, if prompts are not included.
    fn left_out(&self) -> usize {
        match self.modules.prompts.default_text() {
            "" => 0,
            _ if self.modules.include_prompt => 0,
            prompt => self.tokenizer.length_before_end(prompt, self.modules.max_length),
        }
    }

    /// Dimension of the vectors of texts.
    #[must_use]
    pub fn vector_size(&self) -> usize {
        self.modules.vector_size(self.config.hidden_size)
    }

    /// Vectors `[b, v]` of the texts of a batch. `model` must have the shape of this encoder's network.
    #[must_use]
    pub fn forward(&self, model: &Network, batch: &Batch, device: &Device) -> Tensor<2> {
        self.forward_training(model, batch, device).0
    }

    /// [`forward`](Self::forward) for training. On the back end flex, token embeddings are looked up separately, and the gradients are
    /// those of the returned rows instead of the table.
    #[must_use]
    pub fn forward_training(&self, model: &Network, batch: &Batch, device: &Device) -> (Tensor<2>, Option<TokenRows>) {
        // compares equal with and without autodiff
        if *device != Device::flex() {
            return (self.forward_plain(model, batch, device), None);
        }
        let (pooled, token_rows) = model.forward_fused(&batch.packed(), self.modules.pooling);
        (self.finish(model, pooled), Some(token_rows))
    }

    /// [`forward`](Self::forward) in the operations of any back end.
    #[must_use]
    pub fn forward_plain(&self, model: &Network, batch: &Batch, device: &Device) -> Tensor<2> {
        let hidden = model.forward(batch.ids(device), batch.mask(device));
        let [rows, width, size] = hidden.dims();
        let pooled = match self.modules.pooling {
            PoolingMode::Max => {
                let left_out = (batch.counted(device) - 1.0) * -EMPTY_MAXIMUM;
                // replaced, not shifted: adding would lose the digits of the others
                let counted = batch.counted(device).reshape([rows, width, 1]);
                (hidden * counted + left_out.reshape([rows, width, 1])).max_dim(1).reshape([rows, size])
            }
            mode => (hidden * batch.pooling_weights(mode, device).reshape([rows, width, 1])).sum_dim(1).reshape([rows, size]),
        };
        self.finish(model, pooled)
    }

    /// Applies the modules after the pooling.
    fn finish(&self, model: &Network, pooled: Tensor<2>) -> Tensor<2> {
        let mut dense = model.dense.iter();
        self.modules.after_pooling.iter().fold(pooled, |vectors, module| match module {
            AfterPooling::Dense(_) => {
                let layer = dense.next().expect("the network has a layer for each dense module");
                let [rows, size] = vectors.dims();
                let padded = rows.next_multiple_of(DENSE_ROWS);
                let padding = Tensor::zeros([padded - rows, size], &vectors.device());
                let vectors = if padded == rows { vectors } else { Tensor::cat(vec![vectors, padding], 0) };
                layer.forward(vectors).narrow(0, 0, rows)
            }
            AfterPooling::Normalize => normalize(vectors),
        })
    }

    /// Vectors of tokenized texts, in their order, in batches of `batch` texts of similar length.
    ///
    /// # Errors
    /// `backend` if the back end fails.
    pub fn encode_tokens<T: AsRef<[u32]>>(&self, texts: &[T], batch: usize, device: &Device) -> Result<Vec<Vec<f32>>, EncoderError> {
        self.encode_with(&self.model, texts, batch, device)
    }

    /// [`encode_tokens`](Self::encode_tokens) with another network of the same shape.
    ///
    /// # Errors
    /// `backend` if the back end fails.
    pub fn encode_with<T: AsRef<[u32]>>(
        &self,
        model: &Network,
        texts: &[T],
        batch: usize,
        device: &Device,
    ) -> Result<Vec<Vec<f32>>, EncoderError> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|text| (texts[*text].as_ref().len(), *text));
        let mut vectors = vec![Vec::new(); texts.len()];
        let size = self.vector_size();
        for batch in order.chunks(batch.max(1)) {
            let tokens: Vec<&[u32]> = batch.iter().map(|text| texts[*text].as_ref()).collect();
            let values = self.forward(model, &self.batch(&tokens), device).try_into_vec_as::<f32>();
            let values = values.map_err(|error| EncoderError::Backend(error.to_string()))?;
            for (text, vector) in batch.iter().zip(values.chunks_exact(size)) {
                vectors[*text] = vector.to_vec();
            }
        }
        Ok(vectors)
    }

    /// [`encode_tokens`](Self::encode_tokens) with a cache: computes only missing vectors, and adds them to the cache.
    ///
    /// # Errors
    /// `backend` if the back end fails.
    pub fn encode_cached<T: AsRef<[u32]>>(
        &self,
        texts: &[T],
        batch: usize,
        device: &Device,
        embeddings: &mut EmbeddingCache,
    ) -> Result<Vec<Vec<f32>>, EncoderError> {
        // a file is verified by one of its vectors, so that the others need not be computed
        let probes = embeddings.unverified_files(texts.iter().map(AsRef::as_ref));
        for (text, vector) in probes.iter().zip(self.encode_tokens(&probes, batch, device)?) {
            embeddings.insert(text, &vector);
        }
        let cached: Vec<Option<Vec<f32>>> = texts.iter().map(|text| embeddings.get(text.as_ref())).collect();
        let missing: Vec<&[u32]> =
            texts.iter().zip(&cached).filter(|(_, vector)| vector.is_none()).map(|(text, _)| text.as_ref()).collect();
        let computed = self.encode_tokens(&missing, batch, device)?;
        for (text, vector) in missing.iter().zip(&computed) {
            embeddings.insert(text, vector);
        }
        let mut computed = computed.into_iter();
        let all = cached.into_iter().map(|vector| vector.or_else(|| computed.next()).expect("missing vectors were computed"));
        Ok(all.collect())
    }

    /// Vectors of texts, in their order, in batches of `batch` texts of similar length.
    ///
    /// # Errors
    /// `backend` if the back end fails.
    pub fn encode<T: AsRef<str>>(&self, texts: &[T], batch: usize, device: &Device) -> Result<Vec<Vec<f32>>, EncoderError> {
        let tokens: Vec<Vec<u32>> = texts.iter().map(|text| self.tokens(text.as_ref())).collect();
        self.encode_tokens(&tokens, batch, device)
    }

    /// Takes the network out of the encoder, which has none until `model` is set again.
    pub fn take_model(&mut self) -> Network {
        let device = self.model.device();
        std::mem::replace(&mut self.model, Network::placeholder(&device))
    }

    /// All tensors of the model in the layout of Hugging Face, as BERT calls them. Those of dense modules have a prefix.
    ///
    /// # Errors
    /// `backend` if the back end fails.
    pub fn weights(&self) -> Result<Weights, EncoderError> {
        self.model.weights(&self.unused)
    }
}

fn normalize(vectors: Tensor<2>) -> Tensor<2> {
    let norms = vectors.clone().square().sum_dim(1).sqrt().clamp_min(MIN_NORM);
    vectors / norms
}
