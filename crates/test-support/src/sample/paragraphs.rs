//! The numbered paragraphs: some state the values, most say nothing about them.

use super::class::{DrawnClass, draw_class};
use super::clauses::{DISTRACTORS, ENGLISH, PORTUGUESE};
use super::random::Random;
use super::template::render;

/// Share of values that the text does not state, or states wrongly: what keeps a model from being perfect.
const UNSTATED: f64 = 0.03;
const MISSTATED: f64 = 0.01;

/// A paragraph that states the class, or that there is none: no paragraph where the text keeps it to itself, a wrong one now and then.
pub(crate) fn state(class: &DrawnClass, portuguese: bool, names: &[(&str, &str)], random: &mut Random) -> Option<String> {
    if random.chance(UNSTATED) {
        return None;
    }
    let mut out = String::new();
    let Some(index) = (if random.chance(MISSTATED) { draw_class(class.field, random) } else { class.index }) else {
        // often nothing is said of what is not there
        let said = random.chance(0.7);
        render(class.field.absent[usize::from(portuguese)], names, random, &mut out);
        return said.then_some(out);
    };
    let stated = &class.field.classes[index];
    let sentences = if portuguese { stated.portuguese } else { stated.english };
    let sentence = *random.pick(sentences);
    render(sentence, names, random, &mut out);
    let repeated = *random.pick(sentences);
    if repeated != sentence {
        out.push(' ');
        render(repeated, names, random, &mut out);
    }
    if random.chance(0.35) {
        out.push_str(&format!(" {}: {}.", class.field.title, stated.name));
    }
    if random.chance(0.35) {
        out.push(' ');
        let clause = *random.pick(if portuguese { PORTUGUESE } else { ENGLISH });
        render(clause, names, random, &mut out);
    }
    Some(out)
}

/// Adds clauses up to a length that is mostly short and seldom long, as contracts are.
pub(crate) fn fill(paragraphs: &mut Vec<String>, portuguese: bool, names: &[(&str, &str)], random: &mut Random) {
    let length = 400 + random.below(1600) + if random.chance(0.3) { random.below(5000) } else { 0 };
    let mut written = paragraphs.iter().map(String::len).sum::<usize>() as u64;
    while written < length {
        let mut paragraph = String::new();
        for _ in 0..=random.below(3) {
            let clauses = match portuguese {
                true => PORTUGUESE,
                false if random.chance(0.02) => DISTRACTORS,
                false => ENGLISH,
            };
            let clause = *random.pick(clauses);
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            render(clause, names, random, &mut paragraph);
        }
        written += paragraph.len() as u64;
        paragraphs.push(paragraph);
    }
}

/// Puts the paragraphs into any order.
pub(crate) fn shuffle(paragraphs: &mut [String], random: &mut Random) {
    for last in (1..paragraphs.len()).rev() {
        paragraphs.swap(last, random.below(last as u64 + 1) as usize);
    }
}
