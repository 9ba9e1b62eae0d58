//! Few-shot pairs: positives within a class, negatives across classes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use aprendiz_encoder::Encoder;
use aprendiz_evaluation::Label;

use crate::{
    dataset::{Example, Labels, Value, read_batches},
    error::TrainingError,
    kinds::sentence_transformer::{pair::Pair, pairs::PairSet, text_classes::TextClasses, token_file::TokenWriter},
    random::Random,
    text_groups::key,
};

/// Maximum number of draws per negative pair.
const MAX_DRAWS: usize = 20;

/// Sampled documents of a class.
struct Class<'a> {
    number: usize,
    label: &'a Label,
    documents: Vec<usize>,
}

/// Samples at most `per_class` documents of each class of each field and builds pairs from them. Within a class, each document is paired
/// with every other that is not its near-duplicate. As many negative pairs across classes are drawn. Reads the file twice and keeps only
/// the sampled texts, in a file within `folder`.
pub(super) fn sample_pairs(
    path: &Path,
    labels: &Labels,
    per_class: usize,
    seed: u64,
    encoder: &Encoder,
    folder: &Path,
) -> Result<PairSet, TrainingError> {
    let mut documents = Vec::new();
    read_batches(path, |lines| {
        documents.extend(lines.into_iter().map(|line| line.split().0));
        Ok::<_, TrainingError>(())
    })?;
    let mut random = Random::with_stream(seed, 1);
    let fields = sample_classes(&documents, labels, per_class, &mut random);

    let sampled: BTreeSet<usize> = fields.iter().flatten().flat_map(|class| class.documents.iter().copied()).collect();
    let text_indices: HashMap<usize, u32> = sampled.iter().zip(0..).map(|(document, index)| (*document, index)).collect();
    let mut texts = TokenWriter::create(folder, "few-shot")?;
    let mut next = 0;
    read_batches(path, |lines| {
        for line in lines {
            if sampled.contains(&next) {
                texts.push(&encoder.tokens(&line.text))?;
            }
            next += 1;
        }
        Ok::<_, TrainingError>(())
    })?;

    let mut pairs = Vec::new();
    for (field, classes) in fields.iter().enumerate() {
        let positives = positive_pairs(classes, &documents);
        let negatives = negative_pairs(classes, positives.len(), &mut random);
        for (a, b, class) in positives.into_iter().chain(negatives) {
            let label = if class.is_some() { 1.0 } else { 0.0 };
            let number = u32::try_from(pairs.len() + 1).expect("fewer than 2^32 pairs");
            let class = class.map(|class| class as u32);
            pairs.push(Pair { a: text_indices[&a], b: text_indices[&b], label, class, field: field as u32, number });
        }
    }
    // two documents of a group are one piece of evidence
    let keys = sampled.iter().map(|document| key(&documents[*document].group)).collect();
    let classes = text_classes(&fields, labels, &documents, &text_indices);
    Ok(PairSet { texts: texts.finish()?, pairs, fields: labels.fields.keys().cloned().collect(), classes, keys })
}

/// The classes of the sampled documents in every field, also in fields for which they are not sampled.
fn text_classes(fields: &[Vec<Class<'_>>], labels: &Labels, documents: &[Example], text_indices: &HashMap<usize, u32>) -> TextClasses {
    let mut classes = TextClasses::default();
    for (number, (field, sampled)) in labels.fields.keys().zip(fields).enumerate() {
        for (document, text) in text_indices {
            if let Some(Value::Class(label)) = documents[*document].values.get(field)
                && let Some(class) = sampled.iter().find(|class| class.label == label)
            {
                classes.insert(number as u32, *text, class.number as u32);
            }
        }
    }
    classes
}

/// The classes of each field with a sample of their documents. Classes are numbered across fields.
fn sample_classes<'a>(documents: &[Example], labels: &'a Labels, per_class: usize, random: &mut Random) -> Vec<Vec<Class<'a>>> {
    let mut number = 0;
    let mut fields = Vec::new();
    for (field, learned) in &labels.fields {
        let mut members: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (document, example) in documents.iter().enumerate() {
            if let Some(Value::Class(class)) = example.values.get(field)
                && let Some(label) = learned.labels.iter().find(|label| *label == class)
            {
                members.entry(label).or_default().push(document);
            }
        }
        let classes = members.into_iter().map(|(label, mut documents)| {
            random.shuffle(&mut documents);
            documents.truncate(per_class);
            number += 1;
            Class { number: number - 1, label, documents }
        });
        fields.push(classes.collect());
    }
    fields
}

type ClassPair = (usize, usize, Option<usize>);

fn positive_pairs(classes: &[Class<'_>], documents: &[Example]) -> Vec<ClassPair> {
    let mut pairs = Vec::new();
    for class in classes {
        for (index, a) in class.documents.iter().enumerate() {
            for b in &class.documents[index + 1..] {
                // near-duplicates are similar for any encoder
                if documents[*a].group != documents[*b].group {
                    pairs.push((*a, *b, Some(class.number)));
                }
            }
        }
    }
    pairs
}

fn negative_pairs(classes: &[Class<'_>], count: usize, random: &mut Random) -> Vec<ClassPair> {
    let mut seen = BTreeSet::new();
    let mut pairs = Vec::new();
    if classes.len() < 2 {
        return pairs;
    }
    for _ in 0..count * MAX_DRAWS {
        if pairs.len() == count {
            break;
        }
        let first = random.below(classes.len());
        let second = (first + 1 + random.below(classes.len() - 1)) % classes.len();
        let mut draw = |class: usize| classes[class].documents[random.below(classes[class].documents.len())];
        let (a, b) = (draw(first), draw(second));
        // a document has one class per field, so a ≠ b, but the pair may have been drawn before
        if seen.insert((a.min(b), a.max(b))) {
            pairs.push((a, b, None));
        }
    }
    pairs
}
