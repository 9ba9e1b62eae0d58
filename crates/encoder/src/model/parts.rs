//! Converts between the network and tensors named as by Hugging Face.

use burn::{
    module::Param,
    nn::{Embedding, LayerNorm, LayerNormConfig, Linear},
    tensor::{Device, Tensor, TensorData},
};

use crate::{
    error::EncoderError,
    model::{
        config::NetworkConfig,
        dense::DenseConfig,
        network::{Dense, Layer, Network},
        weights::{WeightTensor, Weights},
    },
};

/// Name of a tensor of a layer.
fn layer_name(layer: usize, part: &str) -> String {
    format!("encoder.layer.{layer}.{part}")
}

const POSITIONS: &str = "embeddings.position_embeddings";
const TOKEN_TYPES: &str = "embeddings.token_type_embeddings";
const DISTANCE_BIAS: &str = "encoder.relative_attention_bias";

/// The rows of the position embeddings that no token has. No tensor of a file has this name.
const UNUSED_POSITIONS: &str = "unused_positions";

/// Prefix of the tensors of a dense module. No tensor of the network has it.
pub(crate) fn dense_prefix(number: usize) -> String {
    format!("dense.{number}.")
}

/// Names and shapes of all tensors of the network, as BERT calls them.
pub(crate) fn tensor_shapes(config: &NetworkConfig) -> Vec<(String, Vec<usize>)> {
    let (size, wide) = (config.hidden_size, config.intermediate_size);
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![config.vocab_size, size]),
        (format!("{POSITIONS}.weight"), vec![config.max_position_embeddings, size]),
        ("embeddings.LayerNorm.weight".to_owned(), vec![size]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![size]),
    ];
    if config.type_vocab_size > 0 {
        shapes.push((format!("{TOKEN_TYPES}.weight"), vec![config.type_vocab_size, size]));
    }
    if config.distance_buckets > 0 {
        shapes.push((format!("{DISTANCE_BIAS}.weight"), vec![config.distance_buckets, config.num_attention_heads]));
    }
    for layer in 0..config.num_hidden_layers {
        for (part, to, from) in [
            ("attention.self.query", size, size),
            ("attention.self.key", size, size),
            ("attention.self.value", size, size),
            ("attention.output.dense", size, size),
            ("intermediate.dense", wide, size),
            ("output.dense", size, wide),
        ] {
            let name = layer_name(layer, part);
            shapes.push((format!("{name}.weight"), vec![to, from]));
            shapes.push((format!("{name}.bias"), vec![to]));
        }
        for part in ["attention.output.LayerNorm", "output.LayerNorm"] {
            let name = layer_name(layer, part);
            shapes.push((format!("{name}.weight"), vec![size]));
            shapes.push((format!("{name}.bias"), vec![size]));
        }
    }
    shapes
}

impl Network {
    /// Builds the network from the tensors in `weights`, which are removed. Those of dense modules begin with their
    /// [prefix](dense_prefix).
    pub(crate) fn from_weights<'a>(
        config: &NetworkConfig,
        dense: impl Iterator<Item = &'a DenseConfig>,
        weights: &mut Weights,
        device: &Device,
    ) -> Result<Self, String> {
        cut_positions(config, weights)?;
        let mut builder = ModuleBuilder { weights, epsilon: config.layer_norm_eps, device };
        let size = config.hidden_size;
        let dense = dense.enumerate().map(|(number, dense)| {
            let name = format!("{}linear", dense_prefix(number));
            let linear =
                if dense.bias { builder.linear(&name, dense.from, dense.to) } else { builder.linear_map(&name, dense.from, dense.to) };
            Ok(Dense { linear: linear?, tanh: dense.tanh })
        });
        let dense = dense.collect::<Result<_, String>>()?;
        let token_types = Some(config.type_vocab_size).filter(|types| *types > 0);
        let distance_buckets = Some(config.distance_buckets).filter(|buckets| *buckets > 0);
        let layer = |number: usize, builder: &mut ModuleBuilder<'_>| {
            let name = |part| layer_name(number, part);
            Ok(Layer {
                query: builder.linear(&name("attention.self.query"), size, size)?,
                key: builder.linear(&name("attention.self.key"), size, size)?,
                value: builder.linear(&name("attention.self.value"), size, size)?,
                attention_output: builder.linear(&name("attention.output.dense"), size, size)?,
                attention_layer_norm: builder.norm(&name("attention.output.LayerNorm"), size)?,
                intermediate: builder.linear(&name("intermediate.dense"), size, config.intermediate_size)?,
                output: builder.linear(&name("output.dense"), config.intermediate_size, size)?,
                layer_norm: builder.norm(&name("output.LayerNorm"), size)?,
                heads: config.num_attention_heads,
            })
        };
        Ok(Self {
            word_embeddings: builder.embedding("embeddings.word_embeddings", config.vocab_size, size)?,
            position_embeddings: builder.embedding(POSITIONS, config.max_positions(), size)?,
            token_type_embeddings: token_types.map(|types| builder.embedding(TOKEN_TYPES, types, size)).transpose()?,
            distance_bias: distance_buckets
                .map(|buckets| builder.embedding(DISTANCE_BIAS, buckets, config.num_attention_heads))
                .transpose()?,
            dense,
            layer_norm: builder.norm("embeddings.LayerNorm", size)?,
            epsilon: config.layer_norm_eps,
            layers: (0..config.num_hidden_layers).map(|number| layer(number, &mut builder)).collect::<Result<_, String>>()?,
        })
    }

    /// The tensors of the network as BERT calls them, and those of dense modules with their prefix. `unused` are the tensors that
    /// [`from_weights`](Self::from_weights) left.
    pub(crate) fn weights(&self, unused: &Weights) -> Result<Weights, EncoderError> {
        let mut weights = unused.clone();
        let embeddings = [
            ("embeddings.word_embeddings", Some(&self.word_embeddings)),
            (POSITIONS, Some(&self.position_embeddings)),
            (TOKEN_TYPES, self.token_type_embeddings.as_ref()),
            (DISTANCE_BIAS, self.distance_bias.as_ref()),
        ];
        for (name, embedding) in embeddings {
            if let Some(embedding) = embedding {
                weights.insert(format!("{name}.weight"), tensor_from(embedding.weight.val())?);
            }
        }
        if let Some(mut first) = weights.remove(UNUSED_POSITIONS)
            && let Some(positions) = weights.get_mut(&format!("{POSITIONS}.weight"))
        {
            first.values.append(&mut positions.values);
            first.shape[0] += positions.shape[0];
            *positions = first;
        }
        for (number, dense) in self.dense.iter().enumerate() {
            insert_linear(&mut weights, &format!("{}linear", dense_prefix(number)), &dense.linear)?;
        }
        insert_norm(&mut weights, "embeddings.LayerNorm", &self.layer_norm)?;
        for (number, layer) in self.layers.iter().enumerate() {
            for (part, linear) in [
                ("attention.self.query", &layer.query),
                ("attention.self.key", &layer.key),
                ("attention.self.value", &layer.value),
                ("attention.output.dense", &layer.attention_output),
                ("intermediate.dense", &layer.intermediate),
                ("output.dense", &layer.output),
            ] {
                insert_linear(&mut weights, &layer_name(number, part), linear)?;
            }
            insert_norm(&mut weights, &layer_name(number, "attention.output.LayerNorm"), &layer.attention_layer_norm)?;
            insert_norm(&mut weights, &layer_name(number, "output.LayerNorm"), &layer.layer_norm)?;
        }
        Ok(weights)
    }
}

/// Moves the rows of the position embeddings before that of the first token out of the table, so that positions are those of BERT.
fn cut_positions(config: &NetworkConfig, weights: &mut Weights) -> Result<(), String> {
    if config.position_offset == 0 {
        return Ok(());
    }
    let name = format!("{POSITIONS}.weight");
    let positions = weights.get_mut(&name).ok_or_else(|| format!("has no tensor `{name}`"))?;
    let &mut [rows, size] = positions.shape.as_mut_slice() else { return Err(format!("tensor `{name}` is not a matrix")) };
    if rows <= config.position_offset {
        return Err(format!("tensor `{name}` has {rows} rows: none is left for tokens"));
    }
    let rest = positions.values.split_off(config.position_offset * size);
    let first = std::mem::replace(&mut positions.values, rest);
    positions.shape[0] -= config.position_offset;
    weights.insert(UNUSED_POSITIONS.to_owned(), WeightTensor { shape: vec![config.position_offset, size], values: first });
    Ok(())
}

fn insert_linear(weights: &mut Weights, name: &str, linear: &Linear) -> Result<(), EncoderError> {
    weights.insert(format!("{name}.weight"), transposed(tensor_from(linear.weight.val())?));
    if let Some(bias) = &linear.bias {
        weights.insert(format!("{name}.bias"), tensor_from(bias.val())?);
    }
    Ok(())
}

fn insert_norm(weights: &mut Weights, name: &str, norm: &LayerNorm) -> Result<(), EncoderError> {
    weights.insert(format!("{name}.weight"), tensor_from(norm.gamma.val())?);
    if let Some(beta) = &norm.beta {
        weights.insert(format!("{name}.bias"), tensor_from(beta.val())?);
    }
    Ok(())
}

fn tensor_from<const D: usize>(tensor: Tensor<D>) -> Result<WeightTensor, EncoderError> {
    let shape = tensor.dims().to_vec();
    let values = tensor.inner().try_into_vec_as::<f32>().map_err(|error| EncoderError::Backend(error.to_string()))?;
    Ok(WeightTensor { shape, values })
}

/// Builds modules from tensors of the expected names and shapes.
struct ModuleBuilder<'a> {
    weights: &'a mut Weights,
    epsilon: f64,
    device: &'a Device,
}

impl ModuleBuilder<'_> {
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<WeightTensor, String> {
        let tensor = self.weights.remove(name).ok_or_else(|| format!("has no tensor `{name}`"))?;
        if tensor.shape == shape {
            Ok(tensor)
        } else {
            Err(format!("tensor `{name}` has the shape {:?}, expected {shape:?}", tensor.shape))
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
        let bias = self.tensor(&format!("{name}.bias"), &[to])?;
        Ok(Linear { bias: Some(self.param(bias)), ..self.linear_map(name, from, to)? })
    }

    /// A linear layer without bias.
    fn linear_map(&mut self, name: &str, from: usize, to: usize) -> Result<Linear, String> {
        // copied, not viewed as transposed: the memory layout of a matrix may change the last digits of a product
        let weight = transposed(self.tensor(&format!("{name}.weight"), &[to, from])?);
        Ok(Linear { weight: self.param(weight), bias: None })
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
