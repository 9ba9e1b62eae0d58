//! Converts between the network and tensors named as by Hugging Face.

use burn::{
    module::Param,
    nn::{Embedding, LayerNorm, LayerNormConfig, Linear},
    tensor::{Device, Tensor, TensorData},
};

use crate::{
    error::EncoderError,
    model::{
        bert::{Bert, Layer},
        config::BertConfig,
        weights::{WeightTensor, Weights},
    },
};

/// Name of a tensor of a layer.
fn layer_name(layer: usize, part: &str) -> String {
    format!("encoder.layer.{layer}.{part}")
}

/// Names and shapes of all tensors of the network.
pub(crate) fn tensor_shapes(config: &BertConfig) -> Vec<(String, Vec<usize>)> {
    let (size, wide) = (config.hidden_size, config.intermediate_size);
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![config.vocab_size, size]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![config.max_position_embeddings, size]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![config.type_vocab_size, size]),
        ("embeddings.LayerNorm.weight".to_owned(), vec![size]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![size]),
    ];
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

impl Bert {
    /// Builds the network from the tensors in `weights`, which are removed.
    pub(crate) fn from_weights(config: &BertConfig, weights: &mut Weights, device: &Device) -> Result<Self, String> {
        let mut builder = ModuleBuilder { weights, epsilon: config.layer_norm_eps, device };
        let size = config.hidden_size;
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
            position_embeddings: builder.embedding("embeddings.position_embeddings", config.max_position_embeddings, size)?,
            token_type_embeddings: builder.embedding("embeddings.token_type_embeddings", config.type_vocab_size, size)?,
            layer_norm: builder.norm("embeddings.LayerNorm", size)?,
            epsilon: config.layer_norm_eps,
            layers: (0..config.num_hidden_layers).map(|number| layer(number, &mut builder)).collect::<Result<_, String>>()?,
        })
    }

    /// The tensors of the network under the names and in the layout of Hugging Face.
    pub(crate) fn weights(&self) -> Result<Weights, EncoderError> {
        let mut weights = Weights::new();
        for (name, embedding) in [
            ("embeddings.word_embeddings", &self.word_embeddings),
            ("embeddings.position_embeddings", &self.position_embeddings),
            ("embeddings.token_type_embeddings", &self.token_type_embeddings),
        ] {
            weights.insert(format!("{name}.weight"), tensor_from(embedding.weight.val())?);
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
                let name = layer_name(number, part);
                weights.insert(format!("{name}.weight"), transposed(tensor_from(linear.weight.val())?));
                if let Some(bias) = &linear.bias {
                    weights.insert(format!("{name}.bias"), tensor_from(bias.val())?);
                }
            }
            insert_norm(&mut weights, &layer_name(number, "attention.output.LayerNorm"), &layer.attention_layer_norm)?;
            insert_norm(&mut weights, &layer_name(number, "output.LayerNorm"), &layer.layer_norm)?;
        }
        Ok(weights)
    }
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
        // copied, not viewed as transposed: the memory layout of a matrix may change the last digits of a product
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
