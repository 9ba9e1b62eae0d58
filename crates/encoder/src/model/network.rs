//! The network: token ids in, one vector per token out. All families share it; what one of them lacks is `None`.

use std::sync::Arc;

use burn::{
    backend::{Dispatch, DispatchTensor},
    module::{Module, Param},
    nn::{Embedding, LayerNorm, LayerNormConfig, Linear},
    tensor::{Device, Int, Tensor, TensorData, activation},
};

use crate::{
    fused::{EmbeddingTables, FusedOps, Heads, LayerWeights, PackedBatch, Shape},
    pooling_mode::PoolingMode,
    relative_position::distance_bucket,
};

/// Added to the attention scores of padding: small enough that its attention weight is exactly 0.
const PADDING_SCORE: f32 = -1e9;

/// The network.
#[derive(Module, Debug)]
pub struct Network {
    pub(super) word_embeddings: Embedding,
    pub(super) position_embeddings: Embedding,
    pub(super) token_type_embeddings: Option<Embedding>,
    pub(super) layer_norm: LayerNorm,
    pub(super) layers: Vec<Layer>,
    /// Bias of attention scores `[k, heads]`, by the bucket of the distance between the tokens. All layers share it.
    pub(super) distance_bias: Option<Embedding>,
    /// Linear layers after the pooling, in order.
    pub(crate) dense: Vec<Dense>,
    /// Added to the variance in all layer norms.
    pub(super) epsilon: f64,
}

/// A linear layer after the pooling.
#[derive(Module, Debug)]
pub(crate) struct Dense {
    pub(super) linear: Linear,
    /// Whether the hyperbolic tangent follows.
    pub(super) tanh: bool,
}

impl Dense {
    /// `[b, n]` to `[b, m]`.
    pub(crate) fn forward(&self, vectors: Tensor<2>) -> Tensor<2> {
        let vectors = self.linear.forward(vectors);
        if self.tanh { activation::tanh(vectors) } else { vectors }
    }
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

impl Network {
    /// Forward pass on any back end: token ids `[b, s]` to vectors `[b, s, h]`. `mask` `[b, s]` is 1 for tokens and 0 for padding; `None` =
    /// no padding.
    #[must_use]
    pub fn forward(&self, ids: Tensor<2, Int>, mask: Option<Tensor<2>>) -> Tensor<3> {
        let [_, length] = ids.dims();
        let device = ids.device();
        let positions = Tensor::<1, Int>::arange(0..length as i64, &device).unsqueeze_dim::<2>(0);
        let mut embedded = self.word_embeddings.forward(ids) + self.position_embeddings.forward(positions);
        if let Some(types) = &self.token_type_embeddings {
            embedded = embedded + types.forward(Tensor::<2, Int>::zeros([1, 1], &device));
        }
        let padding = mask.map(|mask| {
            let [rows, length] = mask.dims();
            ((mask - 1.0) * -PADDING_SCORE).reshape([rows, 1, 1, length])
        });
        let bias = self.distance_bias.as_ref().map(|table| distance_bias(table, length));
        // added to the attention scores `[b, heads, s, s]`
        let added = match (padding, bias) {
            (Some(padding), Some(bias)) => Some(padding + bias),
            (padding, bias) => padding.or(bias),
        };
        self.layers.iter().fold(self.layer_norm.forward(embedded), |hidden, layer| layer.forward(hidden, added.clone()))
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

impl Network {
    /// [`forward`](Self::forward) and pooling in fused operations, to vectors `[b, h]`. Only on the back end flex.
    pub(crate) fn forward_fused(&self, packed: &Arc<PackedBatch>, pooling: PoolingMode) -> (Tensor<2>, TokenRows) {
        let table = self.word_embeddings.weight.val();
        let requires_grad = table.is_require_grad();
        let table = table.inner();
        let ids: Vec<i32> = packed.unique_ids.iter().map(|id| *id as i32).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [packed.unique_ids.len()]), &table.device());
        let rows = table.select(0, ids);
        let rows = if requires_grad { Tensor::from_inner(rows).require_grad() } else { rows };
        let (gamma, beta) = norm(&self.layer_norm);
        // constants where a family has no such parameter
        let size = rows.dims()[1];
        let no_types = || Tensor::<2>::zeros([1, size], &rows.device());
        let types = self.token_type_embeddings.as_ref().map_or_else(no_types, |types| types.weight.val());
        let bias = self.distance_bias.as_ref();
        let distance_buckets = bias.map_or(0, |table| table.weight.dims()[0]);
        let bias = bias.map_or_else(|| Tensor::<2>::zeros([1, 1], &rows.device()), |table| table.weight.val());
        let tables = EmbeddingTables::<Dispatch> {
            tokens: rows.clone().into_dispatch(),
            positions: self.position_embeddings.weight.val().into_dispatch(),
            types: types.into_dispatch(),
            gamma,
            beta,
        };
        let embedded = Dispatch::fused_embed(tables, Arc::clone(packed), self.epsilon as f32);
        let forward = |hidden, layer: &Layer| {
            let heads = Heads { size, count: layer.heads, distance_buckets };
            layer.forward_fused(hidden, bias.clone().into_dispatch(), packed, Shape { heads, epsilon: self.epsilon as f32 })
        };
        let hidden = self.layers.iter().fold(embedded, forward);
        let vectors = Tensor::from_dispatch(Dispatch::fused_pool(hidden, Arc::clone(packed), pooling));
        (vectors, TokenRows { ids: packed.unique_ids.clone(), rows })
    }
}

/// The bias of attention scores of texts of `length` tokens, `[1, heads, s, s]`.
fn distance_bias(table: &Embedding, length: usize) -> Tensor<4> {
    let [buckets, heads] = table.weight.dims();
    let distances = (0..length).flat_map(|from| (0..length).map(move |to| to as i64 - from as i64));
    let buckets: Vec<i32> = distances.map(|distance| distance_bucket(distance, buckets) as i32).collect();
    let buckets = Tensor::<2, Int>::from_data(TensorData::new(buckets, [1, length * length]), &table.weight.val().device());
    table.forward(buckets).reshape([length, length, heads]).permute([2, 0, 1]).unsqueeze_dim(0)
}

/// Gamma and beta of a layer norm.
fn norm(norm: &LayerNorm) -> (DispatchTensor, DispatchTensor) {
    let beta = norm.beta.as_ref().expect("every layer norm of an encoder has a beta");
    (norm.gamma.val().into_dispatch(), beta.val().into_dispatch())
}

impl Layer {
    fn forward_fused(&self, hidden: DispatchTensor, bias: DispatchTensor, packed: &Arc<PackedBatch>, shape: Shape) -> DispatchTensor {
        let linear = |linear: &Linear| {
            let bias = linear.bias.as_ref().expect("every linear layer of an encoder has a bias");
            [linear.weight.val().into_dispatch(), bias.val().into_dispatch()]
        };
        let linears = [&self.query, &self.key, &self.value, &self.attention_output, &self.intermediate, &self.output].map(linear);
        let norms = [&self.attention_layer_norm, &self.layer_norm].map(|layer_norm| norm(layer_norm).into());
        let weights: Vec<DispatchTensor> = linears.into_iter().chain(norms).flatten().chain([bias]).collect();
        let weights = LayerWeights::<Dispatch>::in_order(weights.try_into().expect("six linear layers, two layer norms and a bias"));
        Dispatch::fused_layer(hidden, weights, Arc::clone(packed), shape)
    }

    fn forward(&self, hidden: Tensor<3>, added: Option<Tensor<4>>) -> Tensor<3> {
        let attended = self.attention_output.forward(self.attend(hidden.clone(), added));
        let hidden = self.attention_layer_norm.forward(attended + hidden);
        let intermediate = activation::gelu(self.intermediate.forward(hidden.clone()));
        self.layer_norm.forward(self.output.forward(intermediate) + hidden)
    }

    fn attend(&self, hidden: Tensor<3>, added: Option<Tensor<4>>) -> Tensor<3> {
        let [rows, length, size] = hidden.dims();
        let head_size = size / self.heads;
        let heads = |tensor: Tensor<3>| tensor.reshape([rows, length, self.heads, head_size]).swap_dims(1, 2);
        // scaling the queries takes the least work
        let query = heads(self.query.forward(hidden.clone())) / (head_size as f32).sqrt();
        let key = heads(self.key.forward(hidden.clone()));
        let value = heads(self.value.forward(hidden));
        let scores = query.matmul(key.swap_dims(2, 3));
        let scores = match added {
            Some(added) => scores + added,
            None => scores,
        };
        activation::softmax(scores, 3).matmul(value).swap_dims(1, 2).reshape([rows, length, size])
    }
}

impl Network {
    /// A placeholder without layers. It must not be used for computation.
    pub(crate) fn placeholder(device: &Device) -> Self {
        let table = || Embedding { weight: Param::from_tensor(Tensor::zeros([1, 1], device)) };
        Self {
            word_embeddings: table(),
            position_embeddings: table(),
            token_type_embeddings: None,
            layer_norm: LayerNormConfig::new(1).init(device),
            layers: Vec::new(),
            distance_bias: None,
            dense: Vec::new(),
            epsilon: 0.0,
        }
    }

    pub(crate) fn device(&self) -> Device {
        self.word_embeddings.weight.val().device()
    }
}
