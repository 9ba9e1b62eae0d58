//! The fused operations as an extension of Burn's back end flex, with their way back for autodiff.

use std::sync::Arc;

use burn::{
    backend::{
        Autodiff, Backend, ExtensionType, Flex,
        autodiff::{
            NodeId,
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients as Registered,
            ops::{Backward, NodeGuard, Ops, OpsKind},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::TensorData,
};

use crate::fused::{
    layer::{self, Linear, Norm, Shape, Tape, Weights},
    packed::Packed,
    vector,
};

/// What word pieces are looked up in, and the normalisation of their sums.
#[derive(Debug, Clone, ExtensionType)]
pub(crate) struct Tables<B: Backend> {
    /// Vectors of the distinct word pieces of the batch, `[n, h]`.
    pub(crate) words: FloatTensor<B>,
    /// `[p, h]`
    pub(crate) positions: FloatTensor<B>,
    /// `[k, h]`, of which the first row is used.
    pub(crate) types: FloatTensor<B>,
    pub(crate) gamma: FloatTensor<B>,
    pub(crate) beta: FloatTensor<B>,
}

/// A struct of tensors that are inputs of one operation, with their names in one order.
macro_rules! tensors {
    ($(#[$doc:meta])* $name:ident, $count:ident = $number:literal, { $($field:ident,)+ }) => {
        const $count: usize = $number;

        $(#[$doc])*
        #[derive(Debug, Clone, ExtensionType)]
        pub(crate) struct $name<B: Backend> {
            $($field: FloatTensor<B>,)+
        }

        impl<B: Backend> $name<B> {
            /// Takes as many tensors as there are fields, in the order of the fields.
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
    /// The weights of a layer: matrices `[in, out]`, and vectors. First weight and bias of each linear layer, then scale and shift of the
    /// two normalisations: so gradients come back, too.
    LayerWeights, LAYER_WEIGHTS = 16, {
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
    }
}

/// The input of a layer and its weights.
const LAYER_PARENTS: usize = 1 + LAYER_WEIGHTS;

impl LayerWeights<Flex> {
    fn numbers(&self) -> Weights<'_> {
        let linear = |weight, bias| Linear { weight: numbers(weight), bias: numbers(bias) };
        let norm = |gamma, beta| Norm { gamma: numbers(gamma), beta: numbers(beta) };
        Weights {
            projections: [linear(&self.query, &self.query_bias), linear(&self.key, &self.key_bias), linear(&self.value, &self.value_bias)],
            attention_output: linear(&self.attention_output, &self.attention_output_bias),
            attention_norm: norm(&self.attention_gamma, &self.attention_beta),
            intermediate: linear(&self.intermediate, &self.intermediate_bias),
            output: linear(&self.output, &self.output_bias),
            norm: norm(&self.gamma, &self.beta),
        }
    }
}

/// Operations on all word pieces of a batch, one after the other: `[T, h]`.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait BertOps: Backend {
    /// Sums of the vectors of word, position and type, normalised, `[T, h]`.
    fn bert_embed(#[extension_type] tables: Tables<Self>, packed: Arc<Packed>, epsilon: f32) -> FloatTensor<Self>;

    /// One layer, `[T, h]` to `[T, h]`.
    fn bert_layer(
        hidden: FloatTensor<Self>,
        #[extension_type] weights: LayerWeights<Self>,
        packed: Arc<Packed>,
        shape: Shape,
    ) -> FloatTensor<Self>;

    /// The mean of the vectors of each text, `[T, h]` to `[b, h]`.
    fn bert_mean(hidden: FloatTensor<Self>, packed: Arc<Packed>) -> FloatTensor<Self>;
}

impl BertOps for Flex {
    fn bert_embed(tables: Tables<Self>, packed: Arc<Packed>, epsilon: f32) -> FlexTensor {
        embed(&tables, &packed, epsilon).0
    }

    fn bert_layer(hidden: FlexTensor, weights: LayerWeights<Self>, packed: Arc<Packed>, shape: Shape) -> FlexTensor {
        let size = shape.heads.size;
        tensor(layer::forward(numbers(&hidden), weights.numbers(), shape, &packed, false).0, size)
    }

    fn bert_mean(hidden: FlexTensor, packed: Arc<Packed>) -> FlexTensor {
        mean(&hidden, &packed)
    }
}

impl<C: CheckpointStrategy> BertOps for Autodiff<Flex, C> {
    fn bert_embed(tables: Tables<Self>, packed: Arc<Packed>, epsilon: f32) -> FloatTensor<Self> {
        let Tables { words, positions, types, gamma, beta } = tables;
        let [words, positions, types, gamma, beta] = [words, positions, types, gamma, beta].map(FloatTensor::<Self>::into_parts);
        let nodes = [words.1, positions.1, types.1, gamma.1, beta.1];
        let tables = Tables::<Flex> { words: words.0, positions: positions.0, types: types.0, gamma: gamma.0, beta: beta.0 };
        let (out, tape) = embed(&tables, &packed, epsilon);
        match EmbedBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(operation) => operation.finish(Arc::new((tables, packed, tape)), out),
            OpsKind::UnTracked(operation) => operation.finish(out),
        }
    }

    fn bert_layer(hidden: FloatTensor<Self>, weights: LayerWeights<Self>, packed: Arc<Packed>, shape: Shape) -> FloatTensor<Self> {
        let size = shape.heads.size;
        let parents = std::iter::once(hidden).chain(weights.into_order()).map(FloatTensor::<Self>::into_parts);
        let (mut tensors, nodes): (Vec<FlexTensor>, Vec<NodeGuard>) = parents.unzip();
        let hidden = tensors.remove(0);
        let weights = LayerWeights::<Flex>::in_order(tensors.try_into().expect("as many as went in"));
        let nodes: [NodeGuard; LAYER_PARENTS] = nodes.try_into().expect("one of each");
        let (out, tapes) = layer::forward(numbers(&hidden), weights.numbers(), shape, &packed, true);
        let out = tensor(out, size);
        match LayerBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(operation) => operation.finish(Arc::new(LayerState { hidden, weights, packed, shape, tapes }), out),
            OpsKind::UnTracked(operation) => operation.finish(out),
        }
    }

    fn bert_mean(hidden: FloatTensor<Self>, packed: Arc<Packed>) -> FloatTensor<Self> {
        let (hidden, node) = hidden.into_parts();
        let out = mean(&hidden, &packed);
        match MeanBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(operation) => operation.finish(packed, out),
            OpsKind::UnTracked(operation) => operation.finish(out),
        }
    }
}

#[derive(Debug)]
struct EmbedBackward;

impl Backward<Flex, 5> for EmbedBackward {
    type State = Arc<(Tables<Flex>, Arc<Packed>, EmbedTape)>;

    fn backward(self, operation: Ops<Self::State, 5>, registered: &mut Registered, _checkpointer: &mut Checkpointer) {
        let (tables, packed, tape) = &*operation.state;
        let mut gradients = taken(registered.consume::<Flex>(&operation.node));
        let gamma = numbers(&tables.gamma);
        let size = gamma.len();
        let zeros = |like: &FlexTensor| vec![0.0; numbers(like).len()];
        let [mut words, mut positions, mut types] = [&tables.words, &tables.positions, &tables.types].map(zeros);
        let [mut gamma_gradient, mut beta_gradient] = [(); 2].map(|()| vec![0.0; size]);
        vector::layer_norm_backward(&tape.normalized, &tape.scales, gamma, &mut gradients, &mut gamma_gradient, &mut beta_gradient);
        for text in (0..packed.ends.len()).map(|text| packed.text(text)) {
            for (position, token) in text.enumerate() {
                let gradient = &gradients[token * size..][..size];
                vector::add_to(&mut words[packed.places[token] as usize * size..][..size], gradient);
                vector::add_to(&mut positions[position * size..][..size], gradient);
            }
        }
        vector::add_rows(&mut types[..size], &gradients);
        let found = [words, positions, types].map(|values| tensor(values, size)).into_iter();
        let found = found.chain([gamma_gradient, beta_gradient].map(row));
        register(registered, operation.parents.map(|parent| parent.map(|parent| parent.id)), found);
    }
}

#[derive(Debug)]
struct LayerBackward;

#[derive(Debug)]
struct LayerState {
    hidden: FlexTensor,
    weights: LayerWeights<Flex>,
    packed: Arc<Packed>,
    shape: Shape,
    tapes: Vec<Tape>,
}

impl Backward<Flex, LAYER_PARENTS> for LayerBackward {
    type State = Arc<LayerState>;

    fn backward(self, operation: Ops<Self::State, LAYER_PARENTS>, registered: &mut Registered, _checkpointer: &mut Checkpointer) {
        let LayerState { hidden, weights, packed, shape, tapes } = &*operation.state;
        let size = shape.heads.size;
        let mut gradients = taken(registered.consume::<Flex>(&operation.node));
        let found = layer::backward(numbers(hidden), weights.numbers(), *shape, packed, tapes, &mut gradients);
        let linears = found.linears.into_iter().flat_map(|(weight, bias)| [tensor(weight, bias.len()), row(bias)]);
        let norms = found.norms.into_iter().flat_map(|(gamma, beta)| [row(gamma), row(beta)]);
        let found = std::iter::once(tensor(gradients, size)).chain(linears).chain(norms);
        register(registered, operation.parents.map(|parent| parent.map(|parent| parent.id)), found);
    }
}

#[derive(Debug)]
struct MeanBackward;

impl Backward<Flex, 1> for MeanBackward {
    type State = Arc<Packed>;

    fn backward(self, operation: Ops<Self::State, 1>, registered: &mut Registered, _checkpointer: &mut Checkpointer) {
        let packed = operation.state;
        let [Some(parent)] = operation.parents else { return };
        let gradients = taken(registered.consume::<Flex>(&operation.node));
        let size = gradients.len() / packed.ends.len();
        let mut out = Vec::with_capacity(packed.tokens() * size);
        for (text, gradient) in gradients.chunks_exact(size).enumerate() {
            let pieces = packed.text(text).len();
            let gradient: Vec<f32> = gradient.iter().map(|value| value / pieces as f32).collect();
            out.extend(gradient.repeat(pieces));
        }
        registered.register::<Flex>(parent.id, tensor(out, size));
    }
}

/// What the way back needs of the embedding: the sums, normalised, and by what each row was multiplied.
#[derive(Debug)]
struct EmbedTape {
    normalized: Vec<f32>,
    scales: Vec<f32>,
}

fn embed(tables: &Tables<Flex>, packed: &Packed, epsilon: f32) -> (FlexTensor, EmbedTape) {
    let (gamma, beta) = (numbers(&tables.gamma), numbers(&tables.beta));
    let size = gamma.len();
    let [words, positions, types] = [&tables.words, &tables.positions, &tables.types].map(numbers);
    let mut sums = types[..size].repeat(packed.tokens());
    for text in (0..packed.ends.len()).map(|text| packed.text(text)) {
        for (position, token) in text.enumerate() {
            let out = &mut sums[token * size..][..size];
            vector::add_to(out, &words[packed.places[token] as usize * size..][..size]);
            vector::add_to(out, &positions[position * size..][..size]);
        }
    }
    let mut out = vec![0.0; sums.len()];
    let scales = vector::layer_norm(&mut sums, gamma, beta, epsilon, &mut out);
    (tensor(out, size), EmbedTape { normalized: sums, scales })
}

fn mean(hidden: &FlexTensor, packed: &Packed) -> FlexTensor {
    let size = numbers(hidden).len() / packed.tokens();
    let mut out = vec![0.0; packed.ends.len() * size];
    for (text, out) in out.chunks_exact_mut(size).enumerate() {
        let text = packed.text(text);
        vector::add_rows(out, &numbers(hidden)[text.start * size..text.end * size]);
        for value in out {
            *value /= text.len() as f32;
        }
    }
    tensor(out, size)
}

/// Hands each input that learns its gradient.
fn register<const N: usize>(registered: &mut Registered, parents: [Option<NodeId>; N], gradients: impl Iterator<Item = FlexTensor>) {
    for (parent, gradient) in parents.into_iter().zip(gradients) {
        if let Some(parent) = parent {
            registered.register::<Flex>(parent, gradient);
        }
    }
}

/// The numbers of a tensor that lies row by row, as all of them do here.
fn numbers(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("weights and vectors are numbers of 32 bits, row by row")
}

/// The numbers of a tensor, however it lies.
fn taken(tensor: FlexTensor) -> Vec<f32> {
    tensor.to_contiguous().into_data().try_into_vec().expect("gradients are numbers of 32 bits")
}

fn tensor(values: Vec<f32>, columns: usize) -> FlexTensor {
    let rows = values.len() / columns;
    FlexTensor::from_data(TensorData::new(values, [rows, columns]))
}

fn row(values: Vec<f32>) -> FlexTensor {
    let length = values.len();
    FlexTensor::from_data(TensorData::new(values, [length]))
}
