//! Draws the numbered paragraphs: some state the values, most are boilerplate.

use super::class::{DrawnClass, draw_class};
use super::clauses::{DISTRACTORS, ENGLISH, PORTUGUESE};
use super::random::Random;
use super::template::render;

/// Fractions of values that the text omits or misstates, so that no model can be perfect.
const UNSTATED_FRACTION: f64 = 0.03;
const MISSTATED_FRACTION: f64 = 0.01;

/// A paragraph that states the class or its absence; sometimes a wrong one, and `None` if the text omits it.
pub(crate) fn state(class: &DrawnClass, portuguese: bool, names: &[(&str, &str)], random: &mut Random) -> Option<String> {
    if random.chance(UNSTATED_FRACTION) {
        return None;
    }
    let mut out = String::new();
    let Some(index) = (if random.chance(MISSTATED_FRACTION) { draw_class(class.field, random) } else { class.index }) else {
        // an absent value is often not mentioned
        let stated = random.chance(0.7);
        render(class.field.absent[usize::from(portuguese)], names, random, &mut out);
        return stated.then_some(out);
    };
    let drawn = &class.field.classes[index];
    let sentences = if portuguese { drawn.portuguese } else { drawn.english };
    let sentence = *random.pick(sentences);
    render(sentence, names, random, &mut out);
    let repeated = *random.pick(sentences);
    if repeated != sentence {
        out.push(' ');
        render(repeated, names, random, &mut out);
    }
    if random.chance(0.35) {
        out.push_str(&format!(" {}: {}.", class.field.title, drawn.name));
    }
    if random.chance(0.35) {
        out.push(' ');
        let clause = *random.pick(if portuguese { PORTUGUESE } else { ENGLISH });
        render(clause, names, random, &mut out);
    }
    Some(out)
}

/// Adds clauses up to a random length: mostly short and sometimes long, like real contracts.
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

/// Shuffles the paragraphs (Fisher-Yates).
pub(crate) fn shuffle(paragraphs: &mut [String], random: &mut Random) {
    for last in (1..paragraphs.len()).rev() {
        paragraphs.swap(last, random.below(last as u64 + 1) as usize);
    }
}
