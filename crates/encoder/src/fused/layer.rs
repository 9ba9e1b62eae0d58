//! Forward and backward pass of one transformer layer. Activations are computed in parallel by part of the batch, weight gradients in
//! parallel by block of a matrix.

use rayon::prelude::*;

use crate::fused::{
    attention::{self, Heads},
    kernels,
    matrix::{Matrix, Output, multiply, multiply_wide, sum_of_products},
    packed::{PackedBatch, Part},
};

/// A linear layer: weight `[in, out]`, bias `[out]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linear<'a> {
    pub(super) weight: &'a [f32],
    pub(super) bias: &'a [f32],
}

/// A layer norm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm<'a> {
    pub(super) gamma: &'a [f32],
    pub(super) beta: &'a [f32],
}

/// The weights of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights<'a> {
    /// Projections to queries, keys and values.
    pub(super) projections: [Linear<'a>; 3],
    pub(super) attention_output: Linear<'a>,
    pub(super) attention_norm: Norm<'a>,
    pub(super) intermediate: Linear<'a>,
    pub(super) output: Linear<'a>,
    pub(super) norm: Norm<'a>,
    /// Bias of attention scores by distance, `[k, heads]`; not used if there are no buckets.
    pub(super) distance_bias: &'a [f32],
}

/// Hyperparameters of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) heads: Heads,
    pub(crate) epsilon: f32,
}

/// Activations of a part that the backward pass needs, apart from the layer's input. `t` tokens, dimension `h`, feed-forward dimension `w`.
#[derive(Debug)]
pub(super) struct Activations {
    /// Queries, keys and values, `[t, 3h]`.
    projected: Vec<f32>,
    /// Attention outputs, `[t, h]`.
    attended: Vec<f32>,
    /// Normalized inputs of the two layer norms, `[t, h]`, and the factor by which each row was multiplied.
    first: (Vec<f32>, Vec<f32>),
    second: (Vec<f32>, Vec<f32>),
    /// Inputs of GELU, `[t, w]`.
    before_gelu: Vec<f32>,
}

/// Forward pass over the vectors `[T, h]` of a batch. With `keep`, returns the activations of each part for the backward pass.
pub(super) fn forward(input: &[f32], weights: Weights<'_>, shape: Shape, packed: &PackedBatch, keep: bool) -> (Vec<f32>, Vec<Activations>) {
    let size = shape.heads.size;
    let mut out = vec![0.0; input.len()];
    let parts = packed.parts.par_iter().zip(packed.split_rows(&mut out, size));
    let activations: Vec<Option<Activations>> = parts
        .map(|(part, out)| {
            let input = &input[part.tokens.start * size..part.tokens.end * size];
            forward_part(input, weights, shape, (packed, part), keep, out)
        })
        .collect();
    (out, activations.into_iter().flatten().collect())
}

fn forward_part(
    input: &[f32],
    weights: Weights<'_>,
    shape: Shape,
    (packed, part): (&PackedBatch, &Part),
    keep: bool,
    out: &mut [f32],
) -> Option<Activations> {
    // a batch of a single part parallelizes each product instead
    let multiply = if packed.parts.len() == 1 { multiply_wide } else { multiply };
    let size = shape.heads.size;
    let width = weights.intermediate.bias.len();
    let tokens = part.tokens.len();
    let mut projected = weights.projections.map(|linear| linear.bias).concat().repeat(tokens);
    for (index, linear) in weights.projections.iter().enumerate() {
        let weight = Matrix::new(linear.weight, size);
        multiply(&mut projected[index * size..], 3 * size, Output::Add, Matrix::new(input, size), weight, 1.0);
    }
    let mut attended = vec![0.0; tokens * size];
    attention::forward(&projected, weights.distance_bias, texts(packed, part), shape.heads, &mut attended);

    let mut first = kernels::add_row(input, weights.attention_output.bias);
    let weight = Matrix::new(weights.attention_output.weight, size);
    multiply(&mut first, size, Output::Add, Matrix::new(&attended, size), weight, 1.0);
    let mut feed_forward_input = vec![0.0; tokens * size];
    let norm = weights.attention_norm;
    let first_scales = kernels::layer_norm(&mut first, norm.gamma, norm.beta, shape.epsilon, &mut feed_forward_input);

    let mut before_gelu = weights.intermediate.bias.repeat(tokens);
    let weight = Matrix::new(weights.intermediate.weight, width);
    multiply(&mut before_gelu, width, Output::Add, Matrix::new(&feed_forward_input, size), weight, 1.0);
    let kept = keep.then(|| before_gelu.clone());
    let mut activated = before_gelu;
    kernels::gelu(&mut activated);

    let mut second = kernels::add_row(&feed_forward_input, weights.output.bias);
    multiply(&mut second, size, Output::Add, Matrix::new(&activated, width), Matrix::new(weights.output.weight, size), 1.0);
    let second_scales = kernels::layer_norm(&mut second, weights.norm.gamma, weights.norm.beta, shape.epsilon, out);
    kept.map(|before_gelu| Activations { projected, attended, first: (first, first_scales), second: (second, second_scales), before_gelu })
}

/// Token ranges of the texts of a part, relative to the part.
fn texts<'a>(packed: &'a PackedBatch, part: &'a Part) -> impl Iterator<Item = std::ops::Range<usize>> + 'a {
    part.texts.clone().map(|text| {
        let range = packed.text(text);
        range.start - part.tokens.start..range.end - part.tokens.start
    })
}

/// Gradients of the weights of a layer, in the shapes of the weights.
#[derive(Debug, Default)]
pub(super) struct Gradients {
    /// Weight and bias of queries, keys, values, attention output, intermediate and output layer.
    pub(super) linears: [(Vec<f32>, Vec<f32>); 6],
    /// Gamma and beta of the two layer norms.
    pub(super) norms: [(Vec<f32>, Vec<f32>); 2],
    pub(super) distance_bias: Vec<f32>,
}

/// The inputs and output gradients of the linear layers of a part, from which weight gradients are computed.
struct PartGradients {
    /// Inputs of the intermediate layer, `[t, h]`, and of the output layer, `[t, w]`.
    feed_forward_input: Vec<f32>,
    activated: Vec<f32>,
    /// Output gradients: of the projections `[t, 3h]`, the attention output `[t, h]`, the intermediate layer `[t, w]` and the output layer
    /// `[t, h]`.
    projected: Vec<f32>,
    first: Vec<f32>,
    intermediate_gradient: Vec<f32>,
    second: Vec<f32>,
    norms: [(Vec<f32>, Vec<f32>); 2],
    biases: [Vec<f32>; 4],
    distance_bias: Vec<f32>,
}

/// Backward pass: `gradients` `[T, h]` of the outputs become those of the inputs.
pub(super) fn backward(
    input: &[f32],
    weights: Weights<'_>,
    shape: Shape,
    packed: &PackedBatch,
    activations: &[Activations],
    gradients: &mut [f32],
) -> Gradients {
    let size = shape.heads.size;
    let parts = packed.parts.par_iter().zip(activations).zip(packed.split_rows(gradients, size));
    let part_gradients: Vec<PartGradients> =
        parts.map(|((part, activations), gradients)| backward_part(weights, shape, packed, part, activations, gradients)).collect();

    let width = weights.intermediate.bias.len();
    let parts = || packed.parts.iter().zip(activations).zip(&part_gradients);
    let projections = [0, 1, 2].map(|index| {
        sum_of_products(size, size, |rows| {
            parts().map(move |((part, _), part_gradients)| {
                let input = Matrix::new(&input[part.tokens.start * size..part.tokens.end * size], size);
                let gradient = Matrix::new(&part_gradients.projected, 3 * size).columns(index * size, size);
                (input.columns(rows.start, rows.len()).transposed(), gradient)
            })
        })
    });
    // inputs and output gradients of the other linear layers, with the widths of their rows
    let weight_gradient = |select: for<'a> fn(&'a Activations, &'a PartGradients) -> [&'a [f32]; 2], from_width: usize, to_width: usize| {
        sum_of_products(from_width, to_width, |rows| {
            parts().map(move |((_, activations), part_gradients)| {
                let [input, gradient] = select(activations, part_gradients);
                (Matrix::new(input, from_width).columns(rows.start, rows.len()).transposed(), Matrix::new(gradient, to_width))
            })
        })
    };
    let matrices = projections.into_iter().chain([
        weight_gradient(|activations, part_gradients| [&activations.attended, &part_gradients.first], size, size),
        weight_gradient(|_, part_gradients| [&part_gradients.feed_forward_input, &part_gradients.intermediate_gradient], size, width),
        weight_gradient(|_, part_gradients| [&part_gradients.activated, &part_gradients.second], width, size),
    ]);

    let mut totals = Gradients {
        norms: [0, 1].map(|_| (vec![0.0; size], vec![0.0; size])),
        distance_bias: vec![0.0; weights.distance_bias.len()],
        ..Gradients::default()
    };
    let mut biases = [vec![0.0; 3 * size], vec![0.0; size], vec![0.0; width], vec![0.0; size]];
    for part_gradients in &part_gradients {
        kernels::add_to(&mut totals.distance_bias, &part_gradients.distance_bias);
        for (total, part) in biases.iter_mut().zip(&part_gradients.biases) {
            kernels::add_to(total, part);
        }
        for (total, part) in totals.norms.iter_mut().zip(&part_gradients.norms) {
            kernels::add_to(&mut total.0, &part.0);
            kernels::add_to(&mut total.1, &part.1);
        }
    }
    let [projections, rest @ ..] = biases;
    let biases = projections.chunks_exact(size).map(<[f32]>::to_vec).chain(rest);
    for ((linear, weight), bias) in totals.linears.iter_mut().zip(matrices).zip(biases) {
        *linear = (weight, bias);
    }
    totals
}

fn backward_part(
    weights: Weights<'_>,
    shape: Shape,
    packed: &PackedBatch,
    part: &Part,
    activations: &Activations,
    gradients: &mut [f32],
) -> PartGradients {
    // a batch of a single part parallelizes each product instead
    let multiply = if packed.parts.len() == 1 { multiply_wide } else { multiply };
    let size = shape.heads.size;
    let width = weights.intermediate.bias.len();
    let tokens = part.tokens.len();
    let mut norms = [0, 1].map(|_| (vec![0.0; size], vec![0.0; size]));
    let [first_norm, second_norm] = &mut norms;

    let mut second = gradients.to_vec();
    let (normalized, scales) = &activations.second;
    kernels::layer_norm_backward(normalized, scales, weights.norm.gamma, &mut second, &mut second_norm.0, &mut second_norm.1);

    let mut intermediate_gradient = vec![0.0; tokens * width];
    let weight = Matrix::new(weights.output.weight, size).transposed();
    multiply(&mut intermediate_gradient, width, Output::Overwrite, Matrix::new(&second, size), weight, 1.0);
    let mut activated = activations.before_gelu.clone();
    kernels::gelu_backward(&mut activated, &mut intermediate_gradient);

    // the residual connection around the feed-forward network, and the path through it
    let mut first = second.clone();
    let weight = Matrix::new(weights.intermediate.weight, width).transposed();
    multiply(&mut first, size, Output::Add, Matrix::new(&intermediate_gradient, width), weight, 1.0);
    let (normalized, scales) = &activations.first;
    let norm = weights.attention_norm;
    kernels::layer_norm_backward(normalized, scales, norm.gamma, &mut first, &mut first_norm.0, &mut first_norm.1);
    let mut feed_forward_input = vec![0.0; tokens * size];
    kernels::scale_rows(normalized, norm.gamma, norm.beta, &mut feed_forward_input);

    let mut attended_gradient = vec![0.0; tokens * size];
    let weight = Matrix::new(weights.attention_output.weight, size).transposed();
    multiply(&mut attended_gradient, size, Output::Overwrite, Matrix::new(&first, size), weight, 1.0);
    let mut projected = vec![0.0; tokens * 3 * size];
    let distance_bias = attention::backward(
        &activations.projected,
        weights.distance_bias,
        &attended_gradient,
        texts(packed, part),
        shape.heads,
        &mut projected,
    );

    gradients.copy_from_slice(&first);
    for (index, linear) in weights.projections.iter().enumerate() {
        let gradient = Matrix::new(&projected, 3 * size).columns(index * size, size);
        multiply(gradients, size, Output::Add, gradient, Matrix::new(linear.weight, size).transposed(), 1.0);
    }
    let biases = [(&projected, 3 * size), (&first, size), (&intermediate_gradient, width), (&second, size)].map(|(rows, size)| {
        let mut total = vec![0.0; size];
        kernels::add_rows(&mut total, rows);
        total
    });
    PartGradients { feed_forward_input, activated, projected, first, intermediate_gradient, second, norms, biases, distance_bias }
}
