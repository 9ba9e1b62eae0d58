//! BERT on Burn's plain operations: word pieces in, one vector for each out.

use std::sync::Arc;

use burn::{
    backend::{Dispatch, DispatchTensor},
    module::{Module, Param},
    nn::{Embedding, LayerNorm, LayerNormConfig, Linear},
    tensor::{Device, Int, Tensor, TensorData, activation},
};

use crate::{
    config::BertConfig,
    error::EncoderError,
    fused::{BertOps, Heads, LayerWeights, Packed, Shape, Tables},
    weights::{WeightTensor, Weights},
};

/// Added to the scores of what is only padding: small enough that its share is exactly 0.
const PADDING_SCORE: f32 = -1e9;

/// The network.
#[derive(Module, Debug)]
pub struct Bert {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    token_type_embeddings: Embedding,
    layer_norm: LayerNorm,
    layers: Vec<Layer>,
    /// Added to the variances of all normalisations.
    epsilon: f64,
}

/// One layer: attention, then two linear ones, each with a shortcut around it.
#[derive(Module, Debug)]
pub(crate) struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_layer_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    layer_norm: LayerNorm,
    heads: usize,
}

impl Bert {
    /// Word pieces `[b, s]` to vectors `[b, s, h]`. `mask` `[b, s]` is 1 for word pieces and 0 for padding; `None` = no padding.
    #[must_use]
    pub fn forward(&self, ids: Tensor<2, Int>, mask: Option<Tensor<2>>) -> Tensor<3> {
        let [_, width] = ids.dims();
        let device = ids.device();
        let positions = Tensor::<1, Int>::arange(0..width as i64, &device).unsqueeze_dim::<2>(0);
        let first_type = Tensor::<2, Int>::zeros([1, 1], &device);
        let embedded = self.word_embeddings.forward(ids)
            + self.token_type_embeddings.forward(first_type)
            + self.position_embeddings.forward(positions);
        let padding = mask.map(|mask| {
            let [rows, width] = mask.dims();
            ((mask - 1.0) * -PADDING_SCORE).reshape([rows, 1, 1, width])
        });
        self.layers.iter().fold(self.layer_norm.forward(embedded), |hidden, layer| layer.forward(hidden, padding.clone()))
    }
}

/// The vectors of the word pieces that a batch has: what it needs of their table, and learns.
#[derive(Debug, Clone)]
pub struct WordRows {
    /// The word pieces, in order.
    pub ids: Vec<u32>,
    /// Their vectors, `[n, h]`. Gradients are of these, not of the table.
    pub rows: Tensor<2>,
}

impl Bert {
    /// The same as [`forward`](Self::forward) and the mean of each text, in fused operations: texts to vectors `[b, h]`. Only on flex.
    pub(crate) fn forward_fused(&self, packed: &Arc<Packed>) -> (Tensor<2>, WordRows) {
        let table = self.word_embeddings.weight.val();
        let learns = table.is_require_grad();
        let table = table.inner();
        let ids: Vec<i32> = packed.words.iter().map(|id| *id as i32).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [packed.words.len()]), &table.device());
        let rows = table.select(0, ids);
        let rows = if learns { Tensor::from_inner(rows).require_grad() } else { rows };
        let (gamma, beta) = norm(&self.layer_norm);
        let tables = Tables::<Dispatch> {
            words: rows.clone().into_dispatch(),
            positions: self.position_embeddings.weight.val().into_dispatch(),
            types: self.token_type_embeddings.weight.val().into_dispatch(),
            gamma,
            beta,
        };
        let embedded = Dispatch::bert_embed(tables, Arc::clone(packed), self.epsilon as f32);
        let hidden = self.layers.iter().fold(embedded, |hidden, layer| layer.forward_fused(hidden, packed, self.epsilon as f32));
        let vectors = Tensor::from_dispatch(Dispatch::bert_mean(hidden, Arc::clone(packed)));
        (vectors, WordRows { ids: packed.words.clone(), rows })
    }
}

/// Scale and shift of a normalisation.
fn norm(norm: &LayerNorm) -> (DispatchTensor, DispatchTensor) {
    let beta = norm.beta.as_ref().expect("every normalisation of BERT has a shift");
    (norm.gamma.val().into_dispatch(), beta.val().into_dispatch())
}

impl Layer {
    fn forward_fused(&self, hidden: DispatchTensor, packed: &Arc<Packed>, epsilon: f32) -> DispatchTensor {
        let linear = |linear: &Linear| {
            let bias = linear.bias.as_ref().expect("every linear layer of BERT has a bias");
            [linear.weight.val().into_dispatch(), bias.val().into_dispatch()]
        };
        let linears = [&self.query, &self.key, &self.value, &self.attention_output, &self.intermediate, &self.output].map(linear);
        let norms = [&self.attention_layer_norm, &self.layer_norm].map(|layer_norm| norm(layer_norm).into());
        let weights: Vec<DispatchTensor> = linears.into_iter().chain(norms).flatten().collect();
        let weights = LayerWeights::<Dispatch>::in_order(weights.try_into().expect("six linear layers and two normalisations"));
        let size = self.query.weight.dims()[0];
        let shape = Shape { heads: Heads { size, count: self.heads }, epsilon };
        Dispatch::bert_layer(hidden, weights, Arc::clone(packed), shape)
    }

    fn forward(&self, hidden: Tensor<3>, padding: Option<Tensor<4>>) -> Tensor<3> {
        let attended = self.attention_output.forward(self.attend(hidden.clone(), padding));
        let hidden = self.attention_layer_norm.forward(attended + hidden);
        let widened = activation::gelu(self.intermediate.forward(hidden.clone()));
        self.layer_norm.forward(self.output.forward(widened) + hidden)
    }

    fn attend(&self, hidden: Tensor<3>, padding: Option<Tensor<4>>) -> Tensor<3> {
        let [rows, width, size] = hidden.dims();
        let head_size = size / self.heads;
        let heads = |tensor: Tensor<3>| tensor.reshape([rows, width, self.heads, head_size]).swap_dims(1, 2);
        // scaling the queries is the least work
        let query = heads(self.query.forward(hidden.clone())) / (head_size as f32).sqrt();
        let key = heads(self.key.forward(hidden.clone()));
        let value = heads(self.value.forward(hidden));
        let scores = query.matmul(key.swap_dims(2, 3));
        let scores = match padding {
            Some(padding) => scores + padding,
            None => scores,
        };
        activation::softmax(scores, 3).matmul(value).swap_dims(1, 2).reshape([rows, width, size])
    }
}

/// Names of the tensors of linear layers and norms, and the path to each from the layer.
fn layer_name(layer: usize, part: &str) -> String {
    format!("encoder.layer.{layer}.{part}")
}

impl Bert {
    /// A network without weights, which computes nothing.
    pub(crate) fn hollow(device: &Device) -> Self {
        let table = || Embedding { weight: Param::from_tensor(Tensor::zeros([1, 1], device)) };
        Self {
            word_embeddings: table(),
            position_embeddings: table(),
            token_type_embeddings: table(),
            layer_norm: LayerNormConfig::new(1).init(device),
            layers: Vec::new(),
            epsilon: 0.0,
        }
    }

    pub(crate) fn device(&self) -> Device {
        self.word_embeddings.weight.val().device()
    }

    /// Takes the tensors of the network out of `weights`.
    pub(crate) fn take(config: &BertConfig, weights: &mut Weights, device: &Device) -> Result<Self, String> {
        let mut parts = Parts { weights, epsilon: config.layer_norm_eps, device };
        let size = config.hidden_size;
        let layer = |number: usize, parts: &mut Parts<'_>| {
            let name = |part| layer_name(number, part);
            Ok(Layer {
                query: parts.linear(&name("attention.self.query"), size, size)?,
                key: parts.linear(&name("attention.self.key"), size, size)?,
                value: parts.linear(&name("attention.self.value"), size, size)?,
                attention_output: parts.linear(&name("attention.output.dense"), size, size)?,
                attention_layer_norm: parts.norm(&name("attention.output.LayerNorm"), size)?,
                intermediate: parts.linear(&name("intermediate.dense"), size, config.intermediate_size)?,
                output: parts.linear(&name("output.dense"), config.intermediate_size, size)?,
                layer_norm: parts.norm(&name("output.LayerNorm"), size)?,
                heads: config.num_attention_heads,
            })
        };
        Ok(Self {
            word_embeddings: parts.embedding("embeddings.word_embeddings", config.vocab_size, size)?,
            position_embeddings: parts.embedding("embeddings.position_embeddings", config.max_position_embeddings, size)?,
            token_type_embeddings: parts.embedding("embeddings.token_type_embeddings", config.type_vocab_size, size)?,
            layer_norm: parts.norm("embeddings.LayerNorm", size)?,
            epsilon: config.layer_norm_eps,
            layers: (0..config.num_hidden_layers).map(|number| layer(number, &mut parts)).collect::<Result<_, String>>()?,
        })
    }

    /// The tensors of the network, as Hugging Face names and lays them out.
    pub(crate) fn weights(&self) -> Result<Weights, EncoderError> {
        let mut weights = Weights::new();
        for (name, embedding) in [
            ("embeddings.word_embeddings", &self.word_embeddings),
            ("embeddings.position_embeddings", &self.position_embeddings),
            ("embeddings.token_type_embeddings", &self.token_type_embeddings),
        ] {
            weights.insert(format!("{name}.weight"), read(embedding.weight.val())?);
        }
        put_norm(&mut weights, "embeddings.LayerNorm", &self.layer_norm)?;
        for (number, layer) in self.layers.iter().enumerate() {
            for (part, linear) in [
                ("attention.self.query", &layer.query),
                ("attention.self.key", &layer.key),
                ("attention.self.value", &layer.value),
                ("attention.output.dense", &layer.attention_output),
                ("intermediate.dense", &layer.intermediate),
                ("output.dense", &layer.output),
            ] {
                let name = layer_name(number, part);
                weights.insert(format!("{name}.weight"), transposed(read(linear.weight.val())?));
                if let Some(bias) = &linear.bias {
                    weights.insert(format!("{name}.bias"), read(bias.val())?);
                }
            }
            put_norm(&mut weights, &layer_name(number, "attention.output.LayerNorm"), &layer.attention_layer_norm)?;
            put_norm(&mut weights, &layer_name(number, "output.LayerNorm"), &layer.layer_norm)?;
        }
        Ok(weights)
    }
}

fn put_norm(weights: &mut Weights, name: &str, norm: &LayerNorm) -> Result<(), EncoderError> {
    weights.insert(format!("{name}.weight"), read(norm.gamma.val())?);
    if let Some(beta) = &norm.beta {
        weights.insert(format!("{name}.bias"), read(beta.val())?);
    }
    Ok(())
}

fn read<const D: usize>(tensor: Tensor<D>) -> Result<WeightTensor, EncoderError> {
    let shape = tensor.dims().to_vec();
    let values = tensor.inner().try_into_vec_as::<f32>().map_err(|error| EncoderError::Backend(error.to_string()))?;
    Ok(WeightTensor { shape, values })
}

/// Makes parts of the network out of tensors, each of which must be there in the right shape.
struct Parts<'a> {
    weights: &'a mut Weights,
    epsilon: f64,
    device: &'a Device,
}

impl Parts<'_> {
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<WeightTensor, String> {
        let tensor = self.weights.remove(name).ok_or_else(|| format!("has no tensor `{name}`"))?;
        if tensor.shape == shape {
            Ok(tensor)
        } else {
            Err(format!("tensor `{name}` has the shape {:?}, the configuration asks for {shape:?}", tensor.shape))
        }
    }

    fn param<const D: usize>(&self, tensor: WeightTensor) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::from_data(TensorData::new(tensor.values, tensor.shape), self.device))
    }

    fn embedding(&mut self, name: &str, rows: usize, size: usize) -> Result<Embedding, String> {
        let weight = self.tensor(&format!("{name}.weight"), &[rows, size])?;
        Ok(Embedding { weight: self.param(weight) })
    }

    fn linear(&mut self, name: &str, from: usize, to: usize) -> Result<Linear, String> {
        // laid out anew, not seen from the other side: how a matrix lies in memory may change the last digits of a product
        let weight = transposed(self.tensor(&format!("{name}.weight"), &[to, from])?);
        let bias = self.tensor(&format!("{name}.bias"), &[to])?;
        Ok(Linear { weight: self.param(weight), bias: Some(self.param(bias)) })
    }

    fn norm(&mut self, name: &str, size: usize) -> Result<LayerNorm, String> {
        let gamma = self.tensor(&format!("{name}.weight"), &[size])?;
        let beta = self.tensor(&format!("{name}.bias"), &[size])?;
        let mut norm = LayerNormConfig::new(size).with_epsilon(self.epsilon).init(self.device);
        norm.gamma = self.param(gamma);
        norm.beta = Some(self.param(beta));
        Ok(norm)
    }
}

fn transposed(matrix: WeightTensor) -> WeightTensor {
    let &[rows, columns] = matrix.shape.as_slice() else { return matrix };
    let mut values = vec![0.0; matrix.values.len()];
    for (row, line) in matrix.values.chunks_exact(columns.max(1)).enumerate() {
        for (column, value) in line.iter().enumerate() {
            values[column * rows + row] = *value;
        }
    }
    WeightTensor { shape: vec![columns, rows], values }
}
