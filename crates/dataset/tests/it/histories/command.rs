//! Commands of a history, and strategies that generate them.

use std::sync::LazyLock;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use proptest::prelude::*;

use super::{DOCUMENTS, FIELDS};

/// A value of a field; `None` means "no value".
pub(super) type Value = Option<u8>;

/// A step of a history.
#[derive(Debug, Clone)]
pub(super) enum Command {
    /// Imports an export with these tasks.
    Import(Vec<Task>),
    /// Writes a review, as the API does.
    Review(Review),
    /// Repeats an earlier review, as a client does that received no response.
    Repeat(usize),
    /// Creates a single document.
    Create { document: usize, text: u8, title: u8 },
    /// Changes the definition of a field.
    Redefine { field: usize, form: Form },
}

/// One task of an export, which becomes a document.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) document: usize,
    pub(super) text: u8,
    pub(super) title: u8,
    /// Id within the document, time, and the value of each field.
    pub(super) annotations: Vec<(u8, Moment, [Value; FIELDS.len()])>,
    /// Extractor version, time, and the value of each field.
    pub(super) prediction: Option<(u8, Moment, [Value; FIELDS.len()])>,
}

#[derive(Debug, Clone)]
pub(super) struct Review {
    pub(super) document: usize,
    pub(super) field: usize,
    pub(super) decision: Decision,
    /// `None` means now.
    pub(super) at: Option<u8>,
    /// Whether the reviewer has seen the current state.
    pub(super) up_to_date: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Decision {
    Set(Value),
    Undo,
}

/// A time before or after every review made now, so that exports are both older and newer than these reviews.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    Early(u8),
    Late(u8),
}

/// Field definitions; every generated value is valid under each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Categorical,
    ManyValues,
    Text,
}

/// When this process started, in whole seconds.
static STARTED_AT: LazyLock<DateTime<Utc>> = LazyLock::new(|| Utc::now().trunc_subsecs(0));

impl Moment {
    pub(super) fn time(self) -> DateTime<Utc> {
        match self {
            Self::Early(minutes) => DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::minutes(minutes.into()),
            // later than every review of this test, and within what imports accept
            Self::Late(minutes) => *STARTED_AT + TimeDelta::seconds(240) + TimeDelta::milliseconds(minutes.into()),
        }
    }
}

/// The value as a list of strings.
pub(super) fn value_strings(value: Value) -> Vec<String> {
    value.map(|number| format!("value {number}")).into_iter().collect()
}

/// A text so short that only equal texts are near-duplicates. No two documents have the same text.
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
    let decision = prop_oneof![6 => value().prop_map(Decision::Set), 2 => Just(Decision::Undo)];
    (0..DOCUMENTS, 0..FIELDS.len(), decision, prop::option::weighted(0.4, 0..6_u8), prop::bool::weighted(0.9))
        .prop_map(|(document, field, decision, at, up_to_date)| Review { document, field, decision, at, up_to_date })
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    let form = prop_oneof![Just(Form::Categorical), Just(Form::ManyValues), Just(Form::Text)];
    prop_oneof![
        3 => prop::collection::vec(task(), 1..=2).prop_map(|mut tasks| {
            // an import keeps the first of two tasks with the same id
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
