//! The fused operations as an extension of Burn's back end flex, with their backward passes for autodiff.

use std::sync::Arc;

use burn::{
    backend::{
        Autodiff, Backend, ExtensionType, Flex,
        autodiff::{
            NodeId,
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, NodeGuard, Ops, OpsKind},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::TensorData,
};

use crate::{
    fused::{
        kernels,
        layer::{self, Activations, Linear, Norm, Shape, Weights},
        packed::PackedBatch,
        pooling,
    },
    pooling_mode::PoolingMode,
};

/// The embedding tables and the layer norm of their sum.
#[derive(Debug, Clone, ExtensionType)]
pub(crate) struct EmbeddingTables<B: Backend> {
    /// Embeddings of the distinct tokens of the batch, `[n, h]`.
    pub(crate) tokens: FloatTensor<B>,
    /// `[p, h]`
    pub(crate) positions: FloatTensor<B>,
    /// `[k, h]`; only the first row is used.
    pub(crate) types: FloatTensor<B>,
    pub(crate) gamma: FloatTensor<B>,
    pub(crate) beta: FloatTensor<B>,
}

/// Defines a struct of the input tensors of an operation, with conversions from and to an array in the order of its fields.
macro_rules! tensors {
    ($(#[$doc:meta])* $name:ident, $count:ident = $number:literal, { $($field:ident,)+ }) => {
        const $count: usize = $number;

        $(#[$doc])*
        #[derive(Debug, Clone, ExtensionType)]
        pub(crate) struct $name<B: Backend> {
            $($field: FloatTensor<B>,)+
        }

        impl<B: Backend> $name<B> {
            /// Takes the tensors in the order of the fields.
            pub(crate) fn in_order(tensors: [FloatTensor<B>; $count]) -> Self {
                let [$($field,)+] = tensors;
                Self { $($field,)+ }
            }

            fn into_order(self) -> [FloatTensor<B>; $count] {
                [$(self.$field,)+]
            }
        }
    };
}

tensors! {
    /// The weights of a layer: matrices `[in, out]` and vectors. Weight and bias of each linear layer, then gamma and beta of the two layer
    /// norms, and the bias of attention scores by distance. Gradients have the same order.
    LayerWeights, LAYER_WEIGHTS = 17, {
        query,
        query_bias,
        key,
        key_bias,
        value,
        value_bias,
        attention_output,
        attention_output_bias,
        intermediate,
        intermediate_bias,
        output,
        output_bias,
        attention_gamma,
        attention_beta,
        gamma,
        beta,
        distance_bias,
    }
}

/// The input of a layer and its weights.
const LAYER_PARENTS: usize = 1 + LAYER_WEIGHTS;

impl LayerWeights<Flex> {
    fn as_slices(&self) -> Weights<'_> {
        let linear = |weight, bias| Linear { weight: values(weight), bias: values(bias) };
        let norm = |gamma, beta| Norm { gamma: values(gamma), beta: values(beta) };
        Weights {
            projections: [linear(&self.query, &self.query_bias), linear(&self.key, &self.key_bias), linear(&self.value, &self.value_bias)],
            attention_output: linear(&self.attention_output, &self.attention_output_bias),
            attention_norm: norm(&self.attention_gamma, &self.attention_beta),
            intermediate: linear(&self.intermediate, &self.intermediate_bias),
            output: linear(&self.output, &self.output_bias),
            norm: norm(&self.gamma, &self.beta),
            distance_bias: values(&self.distance_bias),
        }
    }
}

/// Operations on all tokens of a packed batch, `[T, h]`.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait FusedOps: Backend {
    /// Sum of token, position and type embeddings, with layer norm, `[T, h]`.
    fn fused_embed(#[extension_type] tables: EmbeddingTables<Self>, packed: Arc<PackedBatch>, epsilon: f32) -> FloatTensor<Self>;

    /// One transformer layer, `[T, h]` to `[T, h]`.
    fn fused_layer(
        hidden: FloatTensor<Self>,
        #[extension_type] weights: LayerWeights<Self>,
        packed: Arc<PackedBatch>,
        shape: Shape,
    ) -> FloatTensor<Self>;

    /// Pooling: `[T, h]` to `[b, h]`.
    fn fused_pool(hidden: FloatTensor<Self>, packed: Arc<PackedBatch>, pooling: PoolingMode) -> FloatTensor<Self>;
}

impl FusedOps for Flex {
    fn fused_embed(tables: EmbeddingTables<Self>, packed: Arc<PackedBatch>, epsilon: f32) -> FlexTensor {
        embed(&tables, &packed, epsilon).0
    }

    fn fused_layer(hidden: FlexTensor, weights: LayerWeights<Self>, packed: Arc<PackedBatch>, shape: Shape) -> FlexTensor {
        let size = shape.heads.size;
        tensor(layer::forward(values(&hidden), weights.as_slices(), shape, &packed, false).0, size)
    }

    fn fused_pool(hidden: FlexTensor, packed: Arc<PackedBatch>, pooling: PoolingMode) -> FlexTensor {
        let size = values(&hidden).len() / packed.tokens();
        tensor(pooling::forward(values(&hidden), size, &packed, pooling), size)
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn fused_embed(tables: EmbeddingTables<Self>, packed: Arc<PackedBatch>, epsilon: f32) -> FloatTensor<Self> {
        let EmbeddingTables { tokens, positions, types, gamma, beta } = tables;
        let [tokens, positions, types, gamma, beta] = [tokens, positions, types, gamma, beta].map(FloatTensor::<Self>::into_parts);
        let nodes = [tokens.1, positions.1, types.1, gamma.1, beta.1];
        let tables = EmbeddingTables::<Flex> { tokens: tokens.0, positions: positions.0, types: types.0, gamma: gamma.0, beta: beta.0 };
        let (out, activations) = embed(&tables, &packed, epsilon);
        match EmbedBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(operation) => operation.finish(Arc::new((tables, packed, activations)), out),
            OpsKind::UnTracked(operation) => operation.finish(out),
        }
    }

    fn fused_layer(hidden: FloatTensor<Self>, weights: LayerWeights<Self>, packed: Arc<PackedBatch>, shape: Shape) -> FloatTensor<Self> {
        let size = shape.heads.size;
        let parents = std::iter::once(hidden).chain(weights.into_order()).map(FloatTensor::<Self>::into_parts);
        let (mut tensors, nodes): (Vec<FlexTensor>, Vec<NodeGuard>) = parents.unzip();
        let hidden = tensors.remove(0);
        let weights = LayerWeights::<Flex>::in_order(tensors.try_into().expect("one tensor per weight"));
        let nodes: [NodeGuard; LAYER_PARENTS] = nodes.try_into().expect("one node per parent");
        let (out, activations) = layer::forward(values(&hidden), weights.as_slices(), shape, &packed, true);
        let out = tensor(out, size);
        match LayerBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(operation) => operation.finish(Arc::new(LayerState { hidden, weights, packed, shape, activations }), out),
            OpsKind::UnTracked(operation) => operation.finish(out),
        }
    }

    fn fused_pool(hidden: FloatTensor<Self>, packed: Arc<PackedBatch>, pooling: PoolingMode) -> FloatTensor<Self> {
        let (hidden, node) = hidden.into_parts();
        let out = <Flex as FusedOps>::fused_pool(hidden.clone(), Arc::clone(&packed), pooling);
        match PoolBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(operation) => operation.finish(Arc::new(PoolState { hidden, packed, pooling }), out),
            OpsKind::UnTracked(operation) => operation.finish(out),
        }
    }
}

#[derive(Debug)]
struct EmbedBackward;

impl Backward<Flex, 5> for EmbedBackward {
    type State = Arc<(EmbeddingTables<Flex>, Arc<PackedBatch>, EmbeddingActivations)>;

    fn backward(self, operation: Ops<Self::State, 5>, gradient_store: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (tables, packed, activations) = &*operation.state;
        let mut gradients = into_values(gradient_store.consume::<Flex>(&operation.node));
        let gamma = values(&tables.gamma);
        let size = gamma.len();
        let zeros = |like: &FlexTensor| vec![0.0; values(like).len()];
        let [mut tokens, mut positions, mut types] = [&tables.tokens, &tables.positions, &tables.types].map(zeros);
        let [mut gamma_gradient, mut beta_gradient] = [(); 2].map(|()| vec![0.0; size]);
        kernels::layer_norm_backward(
            &activations.normalized,
            &activations.scales,
            gamma,
            &mut gradients,
            &mut gamma_gradient,
            &mut beta_gradient,
        );
        for text in (0..packed.ends.len()).map(|text| packed.text(text)) {
            for (position, token) in text.enumerate() {
                let gradient = &gradients[token * size..][..size];
                kernels::add_to(&mut tokens[packed.id_indices[token] as usize * size..][..size], gradient);
                kernels::add_to(&mut positions[position * size..][..size], gradient);
            }
        }
        kernels::add_rows(&mut types[..size], &gradients);
        let found = [tokens, positions, types].map(|values| tensor(values, size)).into_iter();
        let found = found.chain([gamma_gradient, beta_gradient].map(row));
        register(gradient_store, operation.parents.map(|parent| parent.map(|parent| parent.id)), found);
    }
}

#[derive(Debug)]
struct LayerBackward;

#[derive(Debug)]
struct LayerState {
    hidden: FlexTensor,
    weights: LayerWeights<Flex>,
    packed: Arc<PackedBatch>,
    shape: Shape,
    activations: Vec<Activations>,
}

impl Backward<Flex, LAYER_PARENTS> for LayerBackward {
    type State = Arc<LayerState>;

    fn backward(self, operation: Ops<Self::State, LAYER_PARENTS>, gradient_store: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let LayerState { hidden, weights, packed, shape, activations } = &*operation.state;
        let size = shape.heads.size;
        let mut gradients = into_values(gradient_store.consume::<Flex>(&operation.node));
        let weight_gradients = layer::backward(values(hidden), weights.as_slices(), *shape, packed, activations, &mut gradients);
        let linears = weight_gradients.linears.into_iter().flat_map(|(weight, bias)| [tensor(weight, bias.len()), row(bias)]);
        let norms = weight_gradients.norms.into_iter().flat_map(|(gamma, beta)| [row(gamma), row(beta)]);
        let bias = match shape.heads.distance_buckets {
            0 => tensor(weight_gradients.distance_bias, 1),
            _ => tensor(weight_gradients.distance_bias, shape.heads.count),
        };
        let found = std::iter::once(tensor(gradients, size)).chain(linears).chain(norms).chain([bias]);
        register(gradient_store, operation.parents.map(|parent| parent.map(|parent| parent.id)), found);
    }
}

#[derive(Debug)]
struct PoolBackward;

#[derive(Debug)]
struct PoolState {
    hidden: FlexTensor,
    packed: Arc<PackedBatch>,
    pooling: PoolingMode,
}

impl Backward<Flex, 1> for PoolBackward {
    type State = Arc<PoolState>;

    fn backward(self, operation: Ops<Self::State, 1>, gradient_store: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let PoolState { hidden, packed, pooling } = &*operation.state;
        let [Some(parent)] = operation.parents else { return };
        let gradients = into_values(gradient_store.consume::<Flex>(&operation.node));
        let size = gradients.len() / packed.ends.len();
        let gradients = pooling::backward(values(hidden), &gradients, size, packed, *pooling);
        gradient_store.register::<Flex>(parent.id, tensor(gradients, size));
    }
}

/// What the backward pass of the embeddings needs: the normalized sums, and the factor by which each row was multiplied.
#[derive(Debug)]
struct EmbeddingActivations {
    normalized: Vec<f32>,
    scales: Vec<f32>,
}

fn embed(tables: &EmbeddingTables<Flex>, packed: &PackedBatch, epsilon: f32) -> (FlexTensor, EmbeddingActivations) {
    let (gamma, beta) = (values(&tables.gamma), values(&tables.beta));
    let size = gamma.len();
    let [tokens, positions, types] = [&tables.tokens, &tables.positions, &tables.types].map(values);
    let mut sums = types[..size].repeat(packed.tokens());
    for text in (0..packed.ends.len()).map(|text| packed.text(text)) {
        for (position, token) in text.enumerate() {
            let out = &mut sums[token * size..][..size];
            kernels::add_to(out, &tokens[packed.id_indices[token] as usize * size..][..size]);
            kernels::add_to(out, &positions[position * size..][..size]);
        }
    }
    let mut out = vec![0.0; sums.len()];
    let scales = kernels::layer_norm(&mut sums, gamma, beta, epsilon, &mut out);
    (tensor(out, size), EmbeddingActivations { normalized: sums, scales })
}

/// Registers the gradients of the inputs that require one.
fn register<const N: usize>(gradient_store: &mut Gradients, parents: [Option<NodeId>; N], gradients: impl Iterator<Item = FlexTensor>) {
    for (parent, gradient) in parents.into_iter().zip(gradients) {
        if let Some(parent) = parent {
            gradient_store.register::<Flex>(parent, gradient);
        }
    }
}

/// The values of a tensor in row-major order, as all tensors here are.
fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("weights and vectors are contiguous 32-bit floats")
}

/// The values of a tensor of any layout.
fn into_values(tensor: FlexTensor) -> Vec<f32> {
    tensor.to_contiguous().into_data().try_into_vec().expect("gradients are 32-bit floats")
}

fn tensor(values: Vec<f32>, columns: usize) -> FlexTensor {
    let rows = values.len() / columns;
    FlexTensor::from_data(TensorData::new(values, [rows, columns]))
}

fn row(values: Vec<f32>) -> FlexTensor {
    let length = values.len();
    FlexTensor::from_data(TensorData::new(values, [length]))
}
