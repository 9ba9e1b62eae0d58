//! The BERT network: token ids in, one vector per token out.

use std::sync::Arc;

use burn::{
    backend::{Dispatch, DispatchTensor},
    module::{Module, Param},
    nn::{Embedding, LayerNorm, LayerNormConfig, Linear},
    tensor::{Device, Int, Tensor, TensorData, activation},
};

use crate::fused::{BertOps, EmbeddingTables, Heads, LayerWeights, PackedBatch, Shape};

/// Added to the attention scores of padding: small enough that its attention weight is exactly 0.
const PADDING_SCORE: f32 = -1e9;

/// The network.
#[derive(Module, Debug)]
pub struct Bert {
    pub(super) word_embeddings: Embedding,
    pub(super) position_embeddings: Embedding,
    pub(super) token_type_embeddings: Embedding,
    pub(super) layer_norm: LayerNorm,
    pub(super) layers: Vec<Layer>,
    /// Added to the variance in all layer norms.
    pub(super) epsilon: f64,
}

/// One transformer layer: self-attention and a feed-forward network, each with a residual connection.
#[derive(Module, Debug)]
pub(crate) struct Layer {
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) attention_output: Linear,
    pub(super) attention_layer_norm: LayerNorm,
    pub(super) intermediate: Linear,
    pub(super) output: Linear,
    pub(super) layer_norm: LayerNorm,
    pub(super) heads: usize,
}

impl Bert {
    /// Forward pass on any back end: token ids `[b, s]` to vectors `[b, s, h]`. `mask` `[b, s]` is 1 for tokens and 0 for padding; `None` =
    /// no padding.
    #[must_use]
    pub fn forward(&self, ids: Tensor<2, Int>, mask: Option<Tensor<2>>) -> Tensor<3> {
        let [_, length] = ids.dims();
        let device = ids.device();
        let positions = Tensor::<1, Int>::arange(0..length as i64, &device).unsqueeze_dim::<2>(0);
        let first_type = Tensor::<2, Int>::zeros([1, 1], &device);
        let embedded = self.word_embeddings.forward(ids)
            + self.token_type_embeddings.forward(first_type)
            + self.position_embeddings.forward(positions);
        let padding = mask.map(|mask| {
            let [rows, length] = mask.dims();
            ((mask - 1.0) * -PADDING_SCORE).reshape([rows, 1, 1, length])
        });
        self.layers.iter().fold(self.layer_norm.forward(embedded), |hidden, layer| layer.forward(hidden, padding.clone()))
    }
}

/// Embeddings of the distinct tokens of a batch. Gradients are computed for these rows instead of for the whole table.
#[derive(Debug, Clone)]
pub struct TokenRows {
    /// The distinct token ids, ascending.
    pub ids: Vec<u32>,
    /// Their embeddings, `[n, h]`.
    pub rows: Tensor<2>,
}

impl Bert {
    /// [`forward`](Self::forward) and mean pooling in fused operations, to vectors `[b, h]`. Only on the back end flex.
    pub(crate) fn forward_fused(&self, packed: &Arc<PackedBatch>) -> (Tensor<2>, TokenRows) {
        let table = self.word_embeddings.weight.val();
        let requires_grad = table.is_require_grad();
        let table = table.inner();
        let ids: Vec<i32> = packed.unique_ids.iter().map(|id| *id as i32).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [packed.unique_ids.len()]), &table.device());
        let rows = table.select(0, ids);
        let rows = if requires_grad { Tensor::from_inner(rows).require_grad() } else { rows };
        let (gamma, beta) = norm(&self.layer_norm);
        let tables = EmbeddingTables::<Dispatch> {
            tokens: rows.clone().into_dispatch(),
            positions: self.position_embeddings.weight.val().into_dispatch(),
            types: self.token_type_embeddings.weight.val().into_dispatch(),
            gamma,
            beta,
        };
        let embedded = Dispatch::bert_embed(tables, Arc::clone(packed), self.epsilon as f32);
        let hidden = self.layers.iter().fold(embedded, |hidden, layer| layer.forward_fused(hidden, packed, self.epsilon as f32));
        let vectors = Tensor::from_dispatch(Dispatch::bert_mean(hidden, Arc::clone(packed)));
        (vectors, TokenRows { ids: packed.unique_ids.clone(), rows })
    }
}

/// Gamma and beta of a layer norm.
fn norm(norm: &LayerNorm) -> (DispatchTensor, DispatchTensor) {
    let beta = norm.beta.as_ref().expect("every layer norm of BERT has a beta");
    (norm.gamma.val().into_dispatch(), beta.val().into_dispatch())
}

impl Layer {
    fn forward_fused(&self, hidden: DispatchTensor, packed: &Arc<PackedBatch>, epsilon: f32) -> DispatchTensor {
        let linear = |linear: &Linear| {
            let bias = linear.bias.as_ref().expect("every linear layer of BERT has a bias");
            [linear.weight.val().into_dispatch(), bias.val().into_dispatch()]
        };
        let linears = [&self.query, &self.key, &self.value, &self.attention_output, &self.intermediate, &self.output].map(linear);
        let norms = [&self.attention_layer_norm, &self.layer_norm].map(|layer_norm| norm(layer_norm).into());
        let weights: Vec<DispatchTensor> = linears.into_iter().chain(norms).flatten().collect();
        let weights = LayerWeights::<Dispatch>::in_order(weights.try_into().expect("six linear layers and two layer norms"));
        let size = self.query.weight.dims()[0];
        let shape = Shape { heads: Heads { size, count: self.heads }, epsilon };
        Dispatch::bert_layer(hidden, weights, Arc::clone(packed), shape)
    }

    fn forward(&self, hidden: Tensor<3>, padding: Option<Tensor<4>>) -> Tensor<3> {
        let attended = self.attention_output.forward(self.attend(hidden.clone(), padding));
        let hidden = self.attention_layer_norm.forward(attended + hidden);
        let intermediate = activation::gelu(self.intermediate.forward(hidden.clone()));
        self.layer_norm.forward(self.output.forward(intermediate) + hidden)
    }

    fn attend(&self, hidden: Tensor<3>, padding: Option<Tensor<4>>) -> Tensor<3> {
        let [rows, length, size] = hidden.dims();
        let head_size = size / self.heads;
        let heads = |tensor: Tensor<3>| tensor.reshape([rows, length, self.heads, head_size]).swap_dims(1, 2);
        // scaling the queries takes the least work
        let query = heads(self.query.forward(hidden.clone())) / (head_size as f32).sqrt();
        let key = heads(self.key.forward(hidden.clone()));
        let value = heads(self.value.forward(hidden));
        let scores = query.matmul(key.swap_dims(2, 3));
        let scores = match padding {
            Some(padding) => scores + padding,
            None => scores,
        };
        activation::softmax(scores, 3).matmul(value).swap_dims(1, 2).reshape([rows, length, size])
    }
}

impl Bert {
    /// A placeholder without layers. It must not be used for computation.
    pub(crate) fn placeholder(device: &Device) -> Self {
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
}
