//! A sentence encoder: texts in, vectors out.

use std::{fs, path::Path};

use burn::tensor::{Device, Tensor};

use crate::{
    batch::Batch,
    bert::{Bert, WordRows},
    config::BertConfig,
    embeddings::Embeddings,
    error::EncoderError,
    modules::Modules,
    tokenizer::Tokenizer,
    weights,
    weights::Weights,
};

/// Name of the weights in a model directory.
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// Name of the tokenizer in a model directory.
pub const TOKENIZER_FILE: &str = "tokenizer.json";

/// Name of the configuration in a model directory.
pub const CONFIG_FILE: &str = "config.json";

/// Shortest length a vector is divided by.
const LEAST_NORM: f32 = 1e-12;

/// A tokenizer, a network, and how the vectors of word pieces become one.
#[derive(Debug, Clone)]
pub struct Encoder {
    config: BertConfig,
    pub(crate) modules: Modules,
    pub(crate) tokenizer: Tokenizer,
    /// The network.
    pub model: Bert,
    /// Tensors that are not used here but belong to the model: the head that BERT was trained with.
    unused: Weights,
    /// `config.json` and `tokenizer.json` as they were read.
    pub(crate) config_text: String,
    pub(crate) tokenizer_text: String,
}

impl Encoder {
    /// Reads a directory in the layout of sentence-transformers, or a bare BERT model of Hugging Face.
    ///
    /// On a device with autodiff its weights can be trained.
    ///
    /// # Errors
    /// If a file is missing or malformed, a tensor is missing, extra or of another shape, or the directory asks for something that is not
    /// computed here.
    pub fn load(dir: &Path, device: &Device) -> Result<Self, EncoderError> {
        let config_path = dir.join(CONFIG_FILE);
        let config = BertConfig::read(&config_path)?;
        let modules = Modules::read(dir, config.max_position_embeddings)?;
        let tokenizer_path = dir.join(TOKENIZER_FILE);
        let tokenizer = Tokenizer::read(&tokenizer_path)?;
        if tokenizer.tokens().len() > config.vocab_size {
            let reason = format!("has {} tokens, {CONFIG_FILE} only {}", tokenizer.tokens().len(), config.vocab_size);
            return Err(EncoderError::refused(tokenizer_path, reason));
        }
        let path = dir.join(WEIGHTS_FILE);
        let mut weights = weights::read(&path)?;
        let model = Bert::take(&config, &mut weights, device).map_err(|reason| EncoderError::refused(&path, reason))?;
        if let Some(name) = weights.keys().find(|name| !name.starts_with("pooler.")) {
            return Err(EncoderError::refused(path, format!("has a tensor `{name}`, which the configuration does not ask for")));
        }
        Ok(Self {
            config,
            modules,
            tokenizer,
            model,
            unused: weights,
            config_text: fs::read_to_string(&config_path).map_err(EncoderError::io(&config_path))?,
            tokenizer_text: fs::read_to_string(&tokenizer_path).map_err(EncoderError::io(&tokenizer_path))?,
        })
    }

    /// An encoder that was never read: `texts` are its `config.json` and `tokenizer.json`.
    pub(crate) fn from_parts(model: Bert, tokenizer: Tokenizer, modules: Modules, config: BertConfig, texts: (String, String)) -> Self {
        let (config_text, tokenizer_text) = texts;
        Self { config, modules, tokenizer, model, unused: Weights::new(), config_text, tokenizer_text }
    }

    /// Shape of the network.
    #[must_use]
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// Longest text, in word pieces with the special tokens.
    #[must_use]
    pub fn max_length(&self) -> usize {
        self.modules.max_length
    }

    /// Sets the longest text; what is longer loses its end. No more than the network takes.
    pub fn set_max_length(&mut self, length: usize) {
        self.modules.max_length = length.clamp(3, self.config.max_position_embeddings);
    }

    /// Word pieces of a text.
    #[must_use]
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text, self.modules.max_length)
    }

    /// Puts texts side by side.
    #[must_use]
    pub fn batch<T: AsRef<[u32]>>(&self, texts: &[T]) -> Batch {
        Batch::new(texts, self.tokenizer.pad())
    }

    /// Vectors `[b, h]` of the texts of a batch, by a network of this shape: the mean over the word pieces.
    #[must_use]
    pub fn forward(&self, model: &Bert, batch: &Batch, device: &Device) -> Tensor<2> {
        self.forward_learning(model, batch, device).0
    }

    /// As [`forward`](Self::forward). On flex the network is computed in fused operations, which look word pieces up in rows of their own:
    /// what comes back beside the vectors is what learns instead of the table.
    #[must_use]
    pub fn forward_learning(&self, model: &Bert, batch: &Batch, device: &Device) -> (Tensor<2>, Option<WordRows>) {
        // autodiff or not
        if *device != Device::flex() {
            return (self.forward_plain(model, batch, device), None);
        }
        let (mean, words) = model.forward_fused(&batch.packed());
        (self.finished(mean), Some(words))
    }

    /// As [`forward`](Self::forward), on the plain operations of any back end.
    #[must_use]
    pub fn forward_plain(&self, model: &Bert, batch: &Batch, device: &Device) -> Tensor<2> {
        let mask = batch.mask(device);
        let hidden = model.forward(batch.ids(device), mask.clone());
        let [rows, width, size] = hidden.dims();
        let mean = match mask {
            None => hidden.sum_dim(1).reshape([rows, size]) / width as f32,
            Some(mask) => {
                let lengths = mask.clone().sum_dim(1);
                (hidden * mask.reshape([rows, width, 1])).sum_dim(1).reshape([rows, size]) / lengths
            }
        };
        self.finished(mean)
    }

    fn finished(&self, mean: Tensor<2>) -> Tensor<2> {
        if self.modules.normalize { normalized(mean) } else { mean }
    }

    /// Vectors of texts that are word pieces already, in their order, `batch` of similar length at a time.
    ///
    /// # Errors
    /// If the back end fails.
    pub fn encode_tokens<T: AsRef<[u32]>>(&self, texts: &[T], batch: usize, device: &Device) -> Result<Vec<Vec<f32>>, EncoderError> {
        self.encode_with(&self.model, texts, batch, device)
    }

    /// As [`encode_tokens`](Self::encode_tokens), by a network of this shape.
    ///
    /// # Errors
    /// If the back end fails.
    pub fn encode_with<T: AsRef<[u32]>>(
        &self,
        model: &Bert,
        texts: &[T],
        batch: usize,
        device: &Device,
    ) -> Result<Vec<Vec<f32>>, EncoderError> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|place| (texts[*place].as_ref().len(), *place));
        let mut vectors = vec![Vec::new(); texts.len()];
        let size = self.config.hidden_size;
        for places in order.chunks(batch.max(1)) {
            let together: Vec<&[u32]> = places.iter().map(|place| texts[*place].as_ref()).collect();
            let values = self.forward(model, &self.batch(&together), device).try_into_vec_as::<f32>();
            let values = values.map_err(|error| EncoderError::Backend(error.to_string()))?;
            for (place, vector) in places.iter().zip(values.chunks_exact(size)) {
                vectors[*place] = vector.to_vec();
            }
        }
        Ok(vectors)
    }

    /// As [`encode_tokens`](Self::encode_tokens), but computes only those that are not known, and remembers them.
    ///
    /// # Errors
    /// If the back end fails.
    pub fn encode_remembered<T: AsRef<[u32]>>(
        &self,
        texts: &[T],
        batch: usize,
        device: &Device,
        embeddings: &mut Embeddings,
    ) -> Result<Vec<Vec<f32>>, EncoderError> {
        let known: Vec<Option<Vec<f32>>> = texts.iter().map(|text| embeddings.get(text.as_ref())).collect();
        let unknown: Vec<&[u32]> = texts.iter().zip(&known).filter(|(_, vector)| vector.is_none()).map(|(text, _)| text.as_ref()).collect();
        let computed = self.encode_tokens(&unknown, batch, device)?;
        for (text, vector) in unknown.iter().zip(&computed) {
            embeddings.insert(text, vector);
        }
        let mut computed = computed.into_iter();
        let all = known.into_iter().map(|vector| vector.or_else(|| computed.next()).expect("what is not known was computed"));
        Ok(all.collect())
    }

    /// Vectors of texts, in their order, `batch` of similar length at a time.
    ///
    /// # Errors
    /// If the back end fails.
    pub fn encode<T: AsRef<str>>(&self, texts: &[T], batch: usize, device: &Device) -> Result<Vec<Vec<f32>>, EncoderError> {
        let tokens: Vec<Vec<u32>> = texts.iter().map(|text| self.tokens(text.as_ref())).collect();
        self.encode_tokens(&tokens, batch, device)
    }

    /// Takes the network out. Until another is put into its place, the encoder computes with networks that it is given only.
    pub fn take_model(&mut self) -> Bert {
        let device = self.model.device();
        std::mem::replace(&mut self.model, Bert::hollow(&device))
    }

    /// All tensors of the model, as Hugging Face names and lays them out.
    ///
    /// # Errors
    /// If the back end fails.
    pub fn weights(&self) -> Result<Weights, EncoderError> {
        let mut weights = self.model.weights()?;
        weights.extend(self.unused.clone());
        Ok(weights)
    }
}

fn normalized(vectors: Tensor<2>) -> Tensor<2> {
    let norms = vectors.clone().square().sum_dim(1).sqrt().clamp_min(LEAST_NORM);
    vectors / norms
}
