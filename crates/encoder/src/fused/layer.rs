//! One layer of BERT forwards and backwards: first for each part of a batch on a core of its own, then, for the gradients of the
//! weights, for each piece of a matrix.

use rayon::prelude::*;

use crate::fused::{
    attention::{self, Heads},
    matrix::{Before, Matrix, multiply, multiply_wide, sum_of_products},
    packed::{Packed, Part},
    vector,
};

/// A linear layer: weight `[in, out]`, bias `[out]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linear<'a> {
    pub(super) weight: &'a [f32],
    pub(super) bias: &'a [f32],
}

/// A layer normalisation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm<'a> {
    pub(super) gamma: &'a [f32],
    pub(super) beta: &'a [f32],
}

/// The weights of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights<'a> {
    /// Of queries, keys and values.
    pub(super) projections: [Linear<'a>; 3],
    pub(super) attention_output: Linear<'a>,
    pub(super) attention_norm: Norm<'a>,
    pub(super) intermediate: Linear<'a>,
    pub(super) output: Linear<'a>,
    pub(super) norm: Norm<'a>,
}

/// How a layer computes, beside its weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) heads: Heads,
    pub(crate) epsilon: f32,
}

/// What the way back needs of a part, beside the layer's input. `t` word pieces, `h` numbers each, `w` in the middle.
#[derive(Debug)]
pub(super) struct Tape {
    /// Queries, keys and values, `[t, 3h]`.
    projected: Vec<f32>,
    /// What attention gave, `[t, h]`.
    attended: Vec<f32>,
    /// The two normalisations before they are scaled, `[t, h]`, and by what each row was multiplied.
    first: (Vec<f32>, Vec<f32>),
    second: (Vec<f32>, Vec<f32>),
    /// What goes into GELU, `[t, w]`.
    before_gelu: Vec<f32>,
}

/// Vectors `[T, h]` of the word pieces of a batch through the layer; with what the way back needs, part by part, if it is to be kept.
pub(super) fn forward(input: &[f32], weights: Weights<'_>, shape: Shape, packed: &Packed, keep: bool) -> (Vec<f32>, Vec<Tape>) {
    let size = shape.heads.size;
    let mut out = vec![0.0; input.len()];
    let parts = packed.parts.par_iter().zip(packed.cut(&mut out, size));
    let tapes: Vec<Option<Tape>> = parts
        .map(|(part, out)| {
            let input = &input[part.tokens.start * size..part.tokens.end * size];
            forward_part(input, weights, shape, (packed, part), keep, out)
        })
        .collect();
    (out, tapes.into_iter().flatten().collect())
}

fn forward_part(
    input: &[f32],
    weights: Weights<'_>,
    shape: Shape,
    (packed, part): (&Packed, &Part),
    keep: bool,
    out: &mut [f32],
) -> Option<Tape> {
    // a batch that is not divided is shared out product by product
    let multiply = if packed.parts.len() == 1 { multiply_wide } else { multiply };
    let size = shape.heads.size;
    let width = weights.intermediate.bias.len();
    let tokens = part.tokens.len();
    let mut projected = weights.projections.map(|linear| linear.bias).concat().repeat(tokens);
    for (place, linear) in weights.projections.iter().enumerate() {
        let weight = Matrix::new(linear.weight, size);
        multiply(&mut projected[place * size..], 3 * size, Before::Added, Matrix::new(input, size), weight, 1.0);
    }
    let mut attended = vec![0.0; tokens * size];
    attention::forward(&projected, texts(packed, part), shape.heads, &mut attended);

    let mut first = vector::plus_row(input, weights.attention_output.bias);
    let weight = Matrix::new(weights.attention_output.weight, size);
    multiply(&mut first, size, Before::Added, Matrix::new(&attended, size), weight, 1.0);
    let mut middle = vec![0.0; tokens * size];
    let norm = weights.attention_norm;
    let first_scales = vector::layer_norm(&mut first, norm.gamma, norm.beta, shape.epsilon, &mut middle);

    let mut before_gelu = weights.intermediate.bias.repeat(tokens);
    let weight = Matrix::new(weights.intermediate.weight, width);
    multiply(&mut before_gelu, width, Before::Added, Matrix::new(&middle, size), weight, 1.0);
    let kept = keep.then(|| before_gelu.clone());
    let mut widened = before_gelu;
    vector::gelu(&mut widened);

    let mut second = vector::plus_row(&middle, weights.output.bias);
    multiply(&mut second, size, Before::Added, Matrix::new(&widened, width), Matrix::new(weights.output.weight, size), 1.0);
    let second_scales = vector::layer_norm(&mut second, weights.norm.gamma, weights.norm.beta, shape.epsilon, out);
    kept.map(|before_gelu| Tape { projected, attended, first: (first, first_scales), second: (second, second_scales), before_gelu })
}

/// The texts of a part, as ranges of its own word pieces.
fn texts<'a>(packed: &'a Packed, part: &'a Part) -> impl Iterator<Item = std::ops::Range<usize>> + 'a {
    part.texts.clone().map(|text| {
        let range = packed.text(text);
        range.start - part.tokens.start..range.end - part.tokens.start
    })
}

/// Gradients of the weights of a layer, in the shapes of the weights.
#[derive(Debug, Default)]
pub(super) struct Gradients {
    /// Weight and bias of queries, keys, values, the output of attention, the intermediate layer and the output.
    pub(super) linears: [(Vec<f32>, Vec<f32>); 6],
    /// Gamma and beta of the two normalisations.
    pub(super) norms: [(Vec<f32>, Vec<f32>); 2],
}

/// What of a part the gradients of the weights are made of: inputs of the linear layers, and gradients of their results.
struct Flow {
    /// What goes into the intermediate layer, `[t, h]`, and the output layer, `[t, w]`.
    middle: Vec<f32>,
    widened: Vec<f32>,
    /// Gradients of queries, keys and values `[t, 3h]`, of the output of attention `[t, h]`, of the intermediate `[t, w]` and of the
    /// output layer `[t, h]`.
    projected: Vec<f32>,
    first: Vec<f32>,
    widened_gradient: Vec<f32>,
    second: Vec<f32>,
    norms: [(Vec<f32>, Vec<f32>); 2],
    biases: [Vec<f32>; 4],
}

/// What flows back: `gradients` `[T, h]` of the results become those of the inputs.
pub(super) fn backward(
    input: &[f32],
    weights: Weights<'_>,
    shape: Shape,
    packed: &Packed,
    tapes: &[Tape],
    gradients: &mut [f32],
) -> Gradients {
    let size = shape.heads.size;
    let parts = packed.parts.par_iter().zip(tapes).zip(packed.cut(gradients, size));
    let flows: Vec<Flow> = parts.map(|((part, tape), gradients)| backward_part(weights, shape, packed, part, tape, gradients)).collect();

    let width = weights.intermediate.bias.len();
    let parts = || packed.parts.iter().zip(tapes).zip(&flows);
    let projections = [0, 1, 2].map(|place| {
        sum_of_products(size, size, |rows| {
            parts().map(move |((part, _), flow)| {
                let input = Matrix::new(&input[part.tokens.start * size..part.tokens.end * size], size);
                let gradient = Matrix::new(&flow.projected, 3 * size).columns(place * size, size);
                (input.columns(rows.start, rows.len()).transposed(), gradient)
            })
        })
    });
    // inputs and gradients of the other linear layers, with the numbers of a row of each
    let of = |from: for<'a> fn(&'a Tape, &'a Flow) -> [&'a [f32]; 2], from_width: usize, to_width: usize| {
        sum_of_products(from_width, to_width, |rows| {
            parts().map(move |((_, tape), flow)| {
                let [input, gradient] = from(tape, flow);
                (Matrix::new(input, from_width).columns(rows.start, rows.len()).transposed(), Matrix::new(gradient, to_width))
            })
        })
    };
    let matrices = projections.into_iter().chain([
        of(|tape, flow| [&tape.attended, &flow.first], size, size),
        of(|_, flow| [&flow.middle, &flow.widened_gradient], size, width),
        of(|_, flow| [&flow.widened, &flow.second], width, size),
    ]);

    let mut all = Gradients { norms: [0, 1].map(|_| (vec![0.0; size], vec![0.0; size])), ..Gradients::default() };
    let mut biases = [vec![0.0; 3 * size], vec![0.0; size], vec![0.0; width], vec![0.0; size]];
    for flow in &flows {
        for (total, part) in biases.iter_mut().zip(&flow.biases) {
            vector::add_to(total, part);
        }
        for (total, part) in all.norms.iter_mut().zip(&flow.norms) {
            vector::add_to(&mut total.0, &part.0);
            vector::add_to(&mut total.1, &part.1);
        }
    }
    let [projections, rest @ ..] = biases;
    let biases = projections.chunks_exact(size).map(<[f32]>::to_vec).chain(rest);
    for ((linear, weight), bias) in all.linears.iter_mut().zip(matrices).zip(biases) {
        *linear = (weight, bias);
    }
    all
}

fn backward_part(weights: Weights<'_>, shape: Shape, packed: &Packed, part: &Part, tape: &Tape, gradients: &mut [f32]) -> Flow {
    // a batch that is not divided is shared out product by product
    let multiply = if packed.parts.len() == 1 { multiply_wide } else { multiply };
    let size = shape.heads.size;
    let width = weights.intermediate.bias.len();
    let tokens = part.tokens.len();
    let mut norms = [0, 1].map(|_| (vec![0.0; size], vec![0.0; size]));
    let [first_norm, second_norm] = &mut norms;

    let mut second = gradients.to_vec();
    let (normalized, scales) = &tape.second;
    vector::layer_norm_backward(normalized, scales, weights.norm.gamma, &mut second, &mut second_norm.0, &mut second_norm.1);

    let mut widened_gradient = vec![0.0; tokens * width];
    let weight = Matrix::new(weights.output.weight, size).transposed();
    multiply(&mut widened_gradient, width, Before::Overwritten, Matrix::new(&second, size), weight, 1.0);
    let mut widened = tape.before_gelu.clone();
    vector::gelu_backward(&mut widened, &mut widened_gradient);

    // what goes round the intermediate layer, and what goes through it
    let mut first = second.clone();
    let weight = Matrix::new(weights.intermediate.weight, width).transposed();
    multiply(&mut first, size, Before::Added, Matrix::new(&widened_gradient, width), weight, 1.0);
    let (normalized, scales) = &tape.first;
    let norm = weights.attention_norm;
    vector::layer_norm_backward(normalized, scales, norm.gamma, &mut first, &mut first_norm.0, &mut first_norm.1);
    let mut middle = vec![0.0; tokens * size];
    vector::scale_rows(normalized, norm.gamma, norm.beta, &mut middle);

    let mut attended_gradient = vec![0.0; tokens * size];
    let weight = Matrix::new(weights.attention_output.weight, size).transposed();
    multiply(&mut attended_gradient, size, Before::Overwritten, Matrix::new(&first, size), weight, 1.0);
    let mut projected = vec![0.0; tokens * 3 * size];
    attention::backward(&tape.projected, &attended_gradient, texts(packed, part), shape.heads, &mut projected);

    gradients.copy_from_slice(&first);
    for (place, linear) in weights.projections.iter().enumerate() {
        let from = Matrix::new(&projected, 3 * size).columns(place * size, size);
        multiply(gradients, size, Before::Added, from, Matrix::new(linear.weight, size).transposed(), 1.0);
    }
    let biases = [(&projected, 3 * size), (&first, size), (&widened_gradient, width), (&second, size)].map(|(rows, size)| {
        let mut total = vec![0.0; size];
        vector::add_rows(&mut total, rows);
        total
    });
    Flow { middle, widened, projected, first, widened_gradient, second, norms, biases }
}
