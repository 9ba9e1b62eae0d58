//! Pairs out of a few documents of each class: those of one class belong together, those of two do not.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use encoder::Encoder;

use crate::{
    dataset::{Example, Labels, Value, read_batches},
    error::TrainingError,
    sentence_transformer::{
        pairs::{Pair, PairSet},
        random::Random,
        token_file::TokenWriter,
    },
};

/// Tries to draw a pair that is not there yet.
const TRIES: usize = 20;

/// Chosen documents of a class.
struct Class {
    number: usize,
    documents: Vec<usize>,
}

/// Makes pairs of at most `per_class` documents of each class of each field. Within a class every document is paired with every other that
/// is no near-duplicate of it; as many pairs of two classes are drawn. Reads the file twice, and keeps only the texts that are chosen, in a
/// file within `folder`.
pub(super) fn pairs(
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
    let mut random = Random::new(seed, 1);
    let fields = choose(&documents, labels, per_class, &mut random);

    let chosen: BTreeSet<usize> = fields.iter().flatten().flat_map(|class| class.documents.iter().copied()).collect();
    let places: HashMap<usize, u32> = chosen.iter().zip(0..).map(|(document, place)| (*document, place)).collect();
    let mut texts = TokenWriter::create(folder, "few-shot")?;
    let mut next = 0;
    read_batches(path, |lines| {
        for line in lines {
            if chosen.contains(&next) {
                texts.push(&encoder.tokens(&line.text))?;
            }
            next += 1;
        }
        Ok::<_, TrainingError>(())
    })?;

    let mut pairs = Vec::new();
    for (field, classes) in fields.iter().enumerate() {
        let together = together(classes, &documents);
        let apart = apart(classes, together.len(), &mut random);
        for (a, b, class) in together.into_iter().chain(apart) {
            let label = if class.is_some() { 1.0 } else { 0.0 };
            let number = u32::try_from(pairs.len() + 1).expect("a few pairs of a few documents");
            let class = class.map(|class| class as u32);
            pairs.push(Pair { a: places[&a], b: places[&b], label, class, field: field as u32, number });
        }
    }
    Ok(PairSet { texts: texts.finish()?, pairs, fields: labels.fields.keys().cloned().collect() })
}

/// The classes of each field that is learned, with some of their documents. Classes are numbered across fields.
fn choose(documents: &[Example], labels: &Labels, per_class: usize, random: &mut Random) -> Vec<Vec<Class>> {
    let mut number = 0;
    let mut fields = Vec::new();
    for (field, learned) in &labels.fields {
        let mut members: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (document, example) in documents.iter().enumerate() {
            if let Some(Value::Class(class)) = example.values.get(field)
                && learned.labels.contains(class)
            {
                members.entry(class).or_default().push(document);
            }
        }
        let classes = members.into_values().map(|mut documents| {
            random.shuffle(&mut documents);
            documents.truncate(per_class);
            number += 1;
            Class { number: number - 1, documents }
        });
        fields.push(classes.collect());
    }
    fields
}

type Drawn = (usize, usize, Option<usize>);

fn together(classes: &[Class], documents: &[Example]) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for class in classes {
        for (place, a) in class.documents.iter().enumerate() {
            for b in &class.documents[place + 1..] {
                // near-duplicates belong together whatever the encoder learns
                if documents[*a].group != documents[*b].group {
                    drawn.push((*a, *b, Some(class.number)));
                }
            }
        }
    }
    drawn
}

fn apart(classes: &[Class], count: usize, random: &mut Random) -> Vec<Drawn> {
    let mut seen = BTreeSet::new();
    let mut drawn = Vec::new();
    if classes.len() < 2 {
        return drawn;
    }
    for _ in 0..count * TRIES {
        if drawn.len() == count {
            break;
        }
        let first = random.below(classes.len());
        let second = (first + 1 + random.below(classes.len() - 1)) % classes.len();
        let mut draw = |class: usize| classes[class].documents[random.below(classes[class].documents.len())];
        let (a, b) = (draw(first), draw(second));
        // one document never has two values of a field here, but a and b may have been drawn before
        if seen.insert((a.min(b), a.max(b))) {
            drawn.push((a, b, None));
        }
    }
    drawn
}
