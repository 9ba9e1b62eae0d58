//! The word pieces, and how a word falls into them.

use std::collections::HashMap;

use super::file::WordPiece;

#[derive(Debug, Clone)]
pub(super) struct Vocabulary {
    tokens: Vec<String>,
    /// Pieces that begin a word.
    first: HashMap<String, u32>,
    /// Pieces that continue one, without their prefix.
    next: HashMap<String, u32>,
    unknown: u32,
    longest_word: usize,
}

impl Vocabulary {
    pub(super) fn new(model: WordPiece) -> Result<Self, String> {
        if model.kind != "WordPiece" {
            return Err(format!("its model is `{}`, only `WordPiece` is known", model.kind));
        }
        let unknown = *model.vocab.get(&model.unk_token).ok_or_else(|| format!("has no token `{}` for unknown words", model.unk_token))?;
        let mut tokens = vec![String::new(); model.vocab.len()];
        let (mut first, mut next) = (HashMap::new(), HashMap::new());
        for (token, id) in model.vocab {
            let place = tokens.get_mut(id as usize).ok_or_else(|| format!("numbers `{token}` as {id}, beyond its own size"))?;
            if !place.is_empty() {
                return Err(format!("gives the number {id} to both `{place}` and `{token}`"));
            }
            place.clone_from(&token);
            match token.strip_prefix(&model.continuing_subword_prefix) {
                Some(piece) => next.insert(piece.to_owned(), id),
                None => None,
            };
            // a token with the prefix can also be a word of its own, if the text has it so
            first.insert(token, id);
        }
        Ok(Self { tokens, first, next, unknown, longest_word: model.max_input_chars_per_word })
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.first.get(token).copied()
    }

    pub(super) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// Adds the numbers of the pieces of a word: always the longest piece that fits, or the unknown token for all of it.
    pub(super) fn pieces(&self, word: &str, ids: &mut Vec<u32>) {
        let known = ids.len();
        if word.chars().nth(self.longest_word).is_some() {
            ids.push(self.unknown);
            return;
        }
        let mut start = 0;
        while start < word.len() {
            let pieces = if start == 0 { &self.first } else { &self.next };
            let ends = word[start..].char_indices().map(|(place, c)| start + place + c.len_utf8()).rev();
            let Some((end, id)) = ends.into_iter().find_map(|end| Some((end, *pieces.get(&word[start..end])?))) else {
                ids.truncate(known);
                ids.push(self.unknown);
                return;
            };
            ids.push(id);
            start = end;
        }
    }
}
