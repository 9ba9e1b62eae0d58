//! Places of the items of one result: the spans of the document that they mean, or why there is none.

use std::collections::HashMap;

use aprendiz_annotation_types::{BadPlace, IndexedText, Place, Span, resolve_places};
use serde_json::{Map, Value};

use crate::format::controls::Control;
use crate::format::result_item::ResultItem;

/// How places are checked against the text of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpanCheck {
    /// A place without a matching text is left out: a reviewer marked it.
    Strict,
    /// The text of a place that does not match is a value all the same: a model may have wrong offsets.
    Lenient,
    /// They are taken as they are: Aprendiz wrote them, and the text may have changed since.
    Stored,
}

/// Keys of a place in a picture or video.
const PICTURE_KEYS: [&str; 8] = ["x", "y", "width", "height", "points", "vertices", "rle", "sequence"];
/// Keys of any place.
const PLACE_KEYS: [&str; 14] = [
    "start",
    "end",
    "startOffset",
    "endOffset",
    "globalOffsets",
    "channel",
    "x",
    "y",
    "width",
    "height",
    "points",
    "vertices",
    "rle",
    "sequence",
];

/// The places of a result, by index of the item.
pub(crate) struct Places {
    by_item: Vec<Option<Result<Span, String>>>,
}

impl Places {
    /// Resolves the places of all items together, because the texts of some are evidence for the others.
    pub(crate) fn resolve(items: &[ResultItem], text: &IndexedText<'_>, check: SpanCheck) -> Self {
        let parsed: Vec<Option<Result<Place<'_>, &'static str>>> = items.iter().map(parse_place).collect();
        let places: Vec<Place<'_>> = parsed.iter().flatten().filter_map(|place| place.as_ref().ok().copied()).collect();
        let mut spans = match check {
            SpanCheck::Stored => places.iter().map(|place| stored_span(text, *place)).collect(),
            SpanCheck::Strict | SpanCheck::Lenient => resolve_places(text, &places),
        };
        if check != SpanCheck::Stored {
            share_texts(&places, &mut spans);
        }
        let mut resolved = places.into_iter().zip(spans);
        let mut by_item: Vec<Option<Result<Span, String>>> = Vec::with_capacity(items.len());
        for place in parsed {
            by_item.push(place.map(|place| match place {
                Err(reason) => Err(reason.to_owned()),
                Ok(_) => match resolved.next() {
                    Some((place, Err(_))) if check == SpanCheck::Lenient && place.text.is_some() => Ok(as_given(place)),
                    Some((_, Ok(span))) => Ok(span),
                    Some((place, Err(bad))) => Err(describe(place, bad)),
                    None => Err("the place is missing".to_owned()),
                },
            }));
        }
        inherit_regions(items, &mut by_item);
        Self { by_item }
    }

    /// The place of an item: its span, or why it is left out; `None` if it has no place.
    pub(crate) fn of_item(&self, index: usize) -> Option<Result<&Span, &str>> {
        self.by_item.get(index)?.as_ref().map(|place| place.as_ref().map_err(String::as_str))
    }
}

/// A label and an answer about the same region have the same offsets; the text of one is evidence for the other.
fn share_texts(places: &[Place<'_>], spans: &mut [Result<Span, BadPlace>]) {
    let mut good = HashMap::new();
    for (place, span) in places.iter().zip(spans.iter()).filter(|(place, _)| place.text.is_some()) {
        if let Ok(span) = span {
            good.insert((place.start, place.end), span.clone());
        }
    }
    for (place, span) in places.iter().zip(spans).filter(|(place, span)| place.text.is_none() && span.is_err()) {
        if let Some(known) = good.get(&(place.start, place.end)) {
            *span = Ok(known.clone());
        }
    }
}

/// Gives per-region controls the place of their region, with which they share an id.
fn inherit_regions(items: &[ResultItem], by_item: &mut [Option<Result<Span, String>>]) {
    let mut regions = HashMap::new();
    for (item, place) in items.iter().zip(by_item.iter()).filter(|(item, _)| is_label(item)) {
        if let (Some(id), Some(Ok(span))) = (id(item), place) {
            regions.insert(id, span.clone());
        }
    }
    if regions.is_empty() {
        return;
    }
    for (item, place) in items.iter().zip(by_item).filter(|(item, _)| !is_label(item)) {
        if let Some(span) = id(item).and_then(|id| regions.get(id)) {
            *place = Some(Ok(span.clone()));
        }
    }
}

fn is_label(item: &ResultItem) -> bool {
    item.control.as_deref() == Some("labels")
}

fn id(item: &ResultItem) -> Option<&str> {
    item.id.as_ref()?.as_str()
}

/// Parses the place of an item of a supported control; `None` if it has none.
fn parse_place(item: &ResultItem) -> Option<Result<Place<'_>, &'static str>> {
    let (control, value) = (item.control.as_deref().and_then(Control::from_type)?, item.value.as_ref()?);
    // most values are those of a control, without a place
    if control != Control::Labels && !value.keys().any(|key| PLACE_KEYS.contains(&key.as_str())) {
        return None;
    }
    if let Some(reason) = foreign_place(value) {
        return Some(Err(reason));
    }
    let (start, end) = (value.get("start"), value.get("end"));
    let is_given = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
    if !is_given(start) && !is_given(end) {
        return (control == Control::Labels).then_some(Err("a labelled span has no start and end: it was left out"));
    }
    let offset = |value: Option<&Value>| value.and_then(Value::as_u64).and_then(|offset| usize::try_from(offset).ok());
    let Some((start, end)) = offset(start).zip(offset(end)) else {
        return Some(Err("a place has no whole numbers as start and end: it was left out"));
    };
    // the text of a text area is its answer
    let text = if control == Control::Textarea { None } else { value.get("text").and_then(Value::as_str) };
    Some(Ok(Place { start, end, text }))
}

/// Why a place does not count the characters of the text.
fn foreign_place(value: &Map<String, Value>) -> Option<&'static str> {
    let has = |key: &str| value.get(key).is_some_and(|value| !value.is_null());
    let is = |key: &str, kind: fn(&Value) -> bool| value.get(key).is_some_and(kind);
    if has("startOffset") || has("endOffset") || has("globalOffsets") || is("start", is_path_or_turn) {
        return Some("a place is a path into HTML or a turn of a dialogue, which is not read: label the plain text to keep places");
    }
    if has("channel") || is("start", is_fraction) || is("end", is_fraction) {
        return Some("a place is a time in a recording, which is not read");
    }
    // a whole number with a decimal point or an exponent, such as 1e308
    if is("start", Value::is_f64) || is("end", Value::is_f64) {
        return Some("a place is out of range: start and end are positions of characters in the text");
    }
    if PICTURE_KEYS.into_iter().any(has) {
        return Some("a place is in a picture or video, which is not read");
    }
    None
}

/// Whether an offset is a number of seconds, which is no whole number.
fn is_fraction(offset: &Value) -> bool {
    offset.is_f64() && offset.as_f64().is_some_and(|offset| offset.fract() != 0.0)
}

/// Whether an offset is an XPath, or the number of a turn as text.
fn is_path_or_turn(offset: &Value) -> bool {
    offset.as_str().is_some_and(|text| text.starts_with('/') || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())))
}

/// Returns the span as stored: with the text given, or else that of the document.
fn stored_span(text: &IndexedText<'_>, place: Place<'_>) -> Result<Span, BadPlace> {
    match place.text {
        Some(_) => Ok(as_given(place)),
        None => match text.between(place.start, place.end) {
            Some(found) => Ok(Span { start: place.start, end: place.end, text: found.to_owned() }),
            None => Err(BadPlace::Outside),
        },
    }
}

fn as_given(place: Place<'_>) -> Span {
    Span { start: place.start, end: place.end, text: place.text.unwrap_or_default().to_owned() }
}

fn describe(place: Place<'_>, bad: BadPlace) -> String {
    let Place { start, end, .. } = place;
    match bad {
        BadPlace::Outside => format!("the place {start}..{end} is empty or outside of the text, and was left out"),
        BadPlace::OtherText => format!(
            "the text of the place {start}..{end} is not that of the document at these offsets, however they are counted (code points, UTF-16 \
             units, line ends, byte-order mark), and the place was left out: label it again, or correct its offsets"
        ),
        BadPlace::OtherReading => format!(
            "the text of the place {start}..{end} is that of the document only if its offsets are counted in another way than those of other \
             places of the annotation, and the place was left out: label it again, or correct the offsets of the places"
        ),
        BadPlace::Ambiguous => format!(
            "the place {start}..{end} has no `text`, and its offsets can be counted in several ways because the document has Windows line ends \
             (\\r\\n), characters of two UTF-16 units or a byte-order mark; it was left out: add the `text` of the place"
        ),
        BadPlace::Unverified => format!(
            "the place {start}..{end} has no `text`, and the texts of the other places of the annotation do not match; it was left out: add the \
             `text` of the place"
        ),
    }
}
