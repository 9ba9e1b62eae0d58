//! What may happen.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::{DOCUMENTS, FIELDS};

/// A value of a field: `None` is "no value".
pub(super) type Value = Option<u8>;

/// A step of a history.
#[derive(Debug, Clone)]
pub(super) enum Command {
    /// An export with these tasks.
    Import(Vec<Task>),
    /// A review through the API.
    Review(Review),
    /// An earlier review once more, as a client does that did not hear the answer.
    Repeat(usize),
    /// A document by itself.
    Create { document: usize, text: u8, title: u8 },
    /// Another definition of a field.
    Redefine { field: usize, form: Form },
}

/// One document of an export.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) document: usize,
    pub(super) text: u8,
    pub(super) title: u8,
    /// Id within the document, time, and an item for each field that has one.
    pub(super) annotations: Vec<(u8, Moment, [Value; FIELDS.len()])>,
    /// Version of the extractor, time, and an item for each field that has one.
    pub(super) prediction: Option<(u8, Moment, [Value; FIELDS.len()])>,
}

#[derive(Debug, Clone)]
pub(super) struct Review {
    pub(super) document: usize,
    pub(super) field: usize,
    pub(super) said: Said,
    /// `None` is now.
    pub(super) at: Option<u8>,
    /// Whether the reviewer has seen the newest state.
    pub(super) up_to_date: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Said {
    Value(Value),
    Undone,
}

/// Before or after every review of now, so that an old and a new export of the same reviews both come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    Early(u8),
    Late(u8),
}

/// Definitions that every value fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Categorical,
    ManyValues,
    Text,
}

impl Moment {
    pub(super) fn time(self) -> DateTime<Utc> {
        let (start, minutes) = match self {
            Self::Early(minutes) => (1_700_000_000, minutes),
            Self::Late(minutes) => (4_100_000_000, minutes),
        };
        DateTime::from_timestamp(start, 0).unwrap() + TimeDelta::minutes(minutes.into())
    }
}

/// The words of a value.
pub(super) fn words(value: Value) -> Vec<String> {
    value.map(|number| format!("value {number}")).into_iter().collect()
}

/// So short that only equal texts are near-duplicates; no two documents have the same.
pub(super) fn text(document: usize, text: u8) -> String {
    format!("document {document} in wording {text}")
}

fn value() -> impl Strategy<Value = Value> {
    prop::option::weighted(0.7, 0..3_u8)
}

fn moment() -> impl Strategy<Value = Moment> {
    prop_oneof![3 => (0..6_u8).prop_map(Moment::Early), 1 => (0..6_u8).prop_map(Moment::Late)]
}

pub(super) fn task() -> impl Strategy<Value = Task> {
    let annotations = prop::collection::btree_map(0..2_u8, (moment(), [value(), value()]), 0..=2);
    (0..DOCUMENTS, 0..3_u8, 0..3_u8, annotations, prop::option::weighted(0.4, (0..2_u8, moment(), [value(), value()]))).prop_map(
        |(document, text, title, annotations, prediction)| Task {
            document,
            text,
            title,
            annotations: annotations.into_iter().map(|(id, (at, values))| (id, at, values)).collect(),
            prediction,
        },
    )
}

pub(super) fn review() -> impl Strategy<Value = Review> {
    let said = prop_oneof![6 => value().prop_map(Said::Value), 2 => Just(Said::Undone)];
    (0..DOCUMENTS, 0..FIELDS.len(), said, prop::option::weighted(0.4, 0..6_u8), prop::bool::weighted(0.9))
        .prop_map(|(document, field, said, at, up_to_date)| Review { document, field, said, at, up_to_date })
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    let form = prop_oneof![Just(Form::Categorical), Just(Form::ManyValues), Just(Form::Text)];
    prop_oneof![
        3 => prop::collection::vec(task(), 1..=2).prop_map(|mut tasks| {
            // of two tasks with one id an import takes the first
            if tasks.len() == 2 && tasks[0].document == tasks[1].document {
                tasks.pop();
            }
            Command::Import(tasks)
        }),
        10 => review().prop_map(Command::Review),
        1 => (0..4_usize).prop_map(Command::Repeat),
        1 => (0..DOCUMENTS, 0..3_u8, 0..3_u8).prop_map(|(document, text, title)| Command::Create { document, text, title }),
        1 => (0..FIELDS.len(), form).prop_map(|(field, form)| Command::Redefine { field, form }),
    ]
}
