//! The families of networks, with their differences from BERT as data.

use serde_json::{Map, Value};

/// A family of encoders. All of them are BERT with a few differences, so that one network computes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Family {
    /// Devlin et al., 2018, arXiv:1810.04805.
    #[default]
    Bert,
    /// Without token types and pooler. Sanh et al., 2019, arXiv:1910.01108.
    DistilBert,
    /// Token positions begin after the id of padding. Conneau et al., 2019, arXiv:1911.02116.
    XlmRoberta,
    /// Without token types; attention scores have a bias by the distance of the tokens. Song et al., 2020, arXiv:2004.09297.
    Mpnet,
}

/// A part of a tensor name in a file, and what it is called here.
type Part = (&'static str, &'static str);

/// DistilBERT has names of its own for nearly everything.
const DISTILBERT_PARTS: [Part; 8] = [
    (".attention.q_lin.", ".attention.self.query."),
    (".attention.k_lin.", ".attention.self.key."),
    (".attention.v_lin.", ".attention.self.value."),
    (".attention.out_lin.", ".attention.output.dense."),
    (".sa_layer_norm.", ".attention.output.LayerNorm."),
    (".ffn.lin1.", ".intermediate.dense."),
    (".ffn.lin2.", ".output.dense."),
    (".output_layer_norm.", ".output.LayerNorm."),
];

const MPNET_PARTS: [Part; 5] = [
    (".attention.attn.q.", ".attention.self.query."),
    (".attention.attn.k.", ".attention.self.key."),
    (".attention.attn.v.", ".attention.self.value."),
    (".attention.attn.o.", ".attention.output.dense."),
    (".attention.LayerNorm.", ".attention.output.LayerNorm."),
];

impl Family {
    pub(crate) const ALL: [Self; 4] = [Self::Bert, Self::DistilBert, Self::XlmRoberta, Self::Mpnet];

    /// The name in `model_type` of `config.json`.
    pub(crate) fn model_type(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::DistilBert => "distilbert",
            Self::XlmRoberta => "xlm-roberta",
            Self::Mpnet => "mpnet",
        }
    }

    pub(crate) fn from_model_type(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.model_type() == name)
    }

    /// The class of transformers without a head.
    pub(crate) fn architecture(self) -> &'static str {
        match self {
            Self::Bert => "BertModel",
            Self::DistilBert => "DistilBertModel",
            Self::XlmRoberta => "XLMRobertaModel",
            Self::Mpnet => "MPNetModel",
        }
    }

    /// The class of transformers for its tokenizer.
    pub(crate) fn tokenizer_class(self) -> &'static str {
        match self {
            Self::Bert => "BertTokenizer",
            Self::DistilBert => "DistilBertTokenizer",
            Self::XlmRoberta => "XLMRobertaTokenizer",
            Self::Mpnet => "MPNetTokenizer",
        }
    }

    /// The prefix of tensor names in files of models with a head.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::DistilBert => "distilbert.",
            Self::XlmRoberta => "roberta.",
            Self::Mpnet => "mpnet.",
        }
    }

    /// Number of rows of the position embeddings before that of the first token.
    pub(crate) fn position_offset(self, config: &Map<String, Value>) -> usize {
        let after = |pad: u64| pad as usize + 1;
        match self {
            Self::Bert | Self::DistilBert => 0,
            Self::XlmRoberta => after(config.get("pad_token_id").and_then(Value::as_u64).unwrap_or(1)),
            // transformers reads no configuration for it
            Self::Mpnet => after(1),
        }
    }

    /// Prefix of the layers in files.
    fn layers(self) -> Part {
        match self {
            Self::DistilBert => ("transformer.layer.", "encoder.layer."),
            _ => ("encoder.layer.", "encoder.layer."),
        }
    }

    fn parts(self) -> &'static [Part] {
        match self {
            Self::Bert | Self::XlmRoberta => &[],
            Self::DistilBert => &DISTILBERT_PARTS,
            Self::Mpnet => &MPNET_PARTS,
        }
    }

    /// Whether a name without prefix is one of the encoder.
    pub(crate) fn is_encoder_part(self, name: &str) -> bool {
        let encoder = if self == Self::DistilBert { "transformer." } else { "encoder." };
        ["embeddings.", encoder, "pooler."].iter().any(|part| name.starts_with(part))
    }

    /// The name of BERT for a tensor of a file. Files converted from TensorFlow call the parameters of layer norms gamma and beta.
    pub(crate) fn current_name(self, stored: &str) -> String {
        let mut name = stored.to_owned();
        for (old, current) in [("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")] {
            if let Some(start) = name.strip_suffix(old) {
                name = format!("{start}{current}");
            }
        }
        let (layers, current) = self.layers();
        let Some(rest) = name.strip_prefix(layers) else { return name };
        let mut rest = format!("{current}{rest}");
        if let Some((part, current)) = self.parts().iter().find(|(part, _)| rest.contains(part)) {
            rest = rest.replacen(part, current, 1);
        }
        rest
    }

    /// The name in files of transformers for a tensor that is called as by BERT.
    pub(crate) fn stored_name(self, current: &str) -> String {
        let (layers, prefix) = self.layers();
        let Some(rest) = current.strip_prefix(prefix) else { return current.to_owned() };
        let rest = format!("{layers}{rest}");
        match self.parts().iter().find(|(_, current)| rest.contains(current)) {
            Some((part, current)) => rest.replacen(current, part, 1),
            None => rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_family_are_translated_both_ways() {
        for (family, stored, current) in [
            (Family::DistilBert, "transformer.layer.0.attention.q_lin.weight", "encoder.layer.0.attention.self.query.weight"),
            (Family::DistilBert, "transformer.layer.11.sa_layer_norm.bias", "encoder.layer.11.attention.output.LayerNorm.bias"),
            (Family::DistilBert, "transformer.layer.0.ffn.lin2.bias", "encoder.layer.0.output.dense.bias"),
            (Family::DistilBert, "transformer.layer.0.output_layer_norm.weight", "encoder.layer.0.output.LayerNorm.weight"),
            (Family::DistilBert, "embeddings.LayerNorm.weight", "embeddings.LayerNorm.weight"),
            (Family::Mpnet, "encoder.layer.3.attention.attn.o.weight", "encoder.layer.3.attention.output.dense.weight"),
            (Family::Mpnet, "encoder.layer.3.attention.LayerNorm.bias", "encoder.layer.3.attention.output.LayerNorm.bias"),
            (Family::Mpnet, "encoder.layer.3.output.LayerNorm.bias", "encoder.layer.3.output.LayerNorm.bias"),
            (Family::Mpnet, "encoder.relative_attention_bias.weight", "encoder.relative_attention_bias.weight"),
            (Family::XlmRoberta, "encoder.layer.0.attention.self.query.weight", "encoder.layer.0.attention.self.query.weight"),
        ] {
            assert_eq!(family.current_name(stored), current);
            assert_eq!(family.stored_name(current), stored);
        }
        assert_eq!(Family::Bert.current_name("embeddings.LayerNorm.gamma"), "embeddings.LayerNorm.weight");
    }
}
