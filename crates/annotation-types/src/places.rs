//! Resolves the places of one annotation: finds the reading of their offsets, and the spans of the document that they mean.
//!
//! The text that a tool stores beside a place is evidence. A reading that explains all these texts also applies to places without one;
//! without evidence, a place is only taken if every plausible reading finds the same span.

use crate::comparison::same_on_screen;
use crate::reading::Reading;
use crate::spans::{IndexedText, Span, TextRange};

/// A place as a tool stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'p> {
    /// Offset of its first character.
    pub start: usize,
    /// Offset after its last character.
    pub end: usize,
    /// Its text, as a browser shows it.
    pub text: Option<&'p str>,
}

/// Why a place is not a span of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BadPlace {
    /// It is outside of the text, or empty.
    Outside,
    /// Its text is not that of the document, in any reading.
    OtherText,
    /// It has no text, and the document can be counted in several ways, which lead to different spans.
    Ambiguous,
    /// It has no text, and no place of the annotation matches its own.
    Unverified,
}

/// How well a span matches the text of its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    OnScreen,
    Exact,
}

/// A reading, and how many texts it explains: all, and character by character.
struct Candidate {
    reading: Reading,
    score: (usize, usize),
}

/// Returns the spans of the places of one annotation, with the text of the document.
#[must_use]
pub fn resolve_places(text: &IndexedText<'_>, places: &[Place<'_>]) -> Vec<Result<Span, BadPlace>> {
    let stored: Option<Vec<_>> = places.iter().map(|place| resolve_exactly(text, *place)).collect();
    // the usual case, without looking for readings
    if let Some(spans) = stored {
        return spans.into_iter().map(Ok).collect();
    }
    let texts = places.iter().filter(|place| has_text(place)).count();
    let score = |reading| Candidate { reading, score: score(text, places, reading) };
    let mut candidates: Vec<Candidate> = Reading::plausible(text.ambiguities()).into_iter().map(score).collect();
    if texts > 0 && candidates.iter().all(|candidate| candidate.score.0 < texts) {
        candidates.extend(Reading::unusual(text.ambiguities()).into_iter().map(score));
    }
    // stable, so that of equal readings the more plausible one is first
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.score));
    let best = candidates.first().map_or((0, 0), |candidate| candidate.score);
    let unverified = texts > 0 && best.0 == 0;
    let explaining: Vec<Reading> =
        candidates.iter().filter(|candidate| candidate.score == best).map(|candidate| candidate.reading).collect();
    let consistent = consistent_readings(text, places, &explaining);
    let resolve = |place: &Place<'_>| match place.text.filter(|_| has_text(place)) {
        Some(_) => {
            candidates.iter().find_map(|candidate| matching_span(text, *place, candidate.reading)).ok_or_else(|| why_bad(text, *place))
        }
        None if unverified => Err(BadPlace::Unverified),
        None => resolve_without_text(text, *place, &consistent),
    };
    places.iter().map(resolve).collect()
}

fn has_text(place: &Place<'_>) -> bool {
    place.text.is_some_and(|text| !text.trim().is_empty())
}

/// Returns the span of a place whose text stands exactly at its offsets in code points.
fn resolve_exactly(text: &IndexedText<'_>, place: Place<'_>) -> Option<Span> {
    let range = text.range(Reading::STORED, place.start, place.end)?;
    (place.text == Some(text.slice(&range)) && has_text(&place)).then(|| span(text, range))
}

fn span(text: &IndexedText<'_>, range: TextRange) -> Span {
    Span { start: range.code_points.start, end: range.code_points.end, text: text.slice(&range).to_owned() }
}

fn matches(text: &IndexedText<'_>, place: Place<'_>, reading: Reading) -> Option<(Match, TextRange)> {
    let range = text.range(reading, place.start, place.end)?;
    let (found, expected) = (text.slice(&range), place.text?);
    if found == expected {
        return Some((Match::Exact, range));
    }
    same_on_screen(found, expected).then_some((Match::OnScreen, range))
}

fn matching_span(text: &IndexedText<'_>, place: Place<'_>, reading: Reading) -> Option<Span> {
    matches(text, place, reading).map(|(_, range)| span(text, range))
}

/// Returns the number of texts that a reading explains, and how many of them exactly.
fn score(text: &IndexedText<'_>, places: &[Place<'_>], reading: Reading) -> (usize, usize) {
    let found = places.iter().filter(|place| has_text(place)).filter_map(|place| matches(text, *place, reading));
    found.fold((0, 0), |(all, exact), (found, _)| (all + 1, exact + usize::from(found == Match::Exact)))
}

/// Returns the readings that find a span for the most places without a text: the last of them may be beyond the end in the others.
fn consistent_readings(text: &IndexedText<'_>, places: &[Place<'_>], readings: &[Reading]) -> Vec<Reading> {
    let found = |reading: &Reading| {
        places.iter().filter(|place| !has_text(place)).filter(|place| range_of(text, **place, *reading).is_some()).count()
    };
    let counted: Vec<(usize, Reading)> = readings.iter().map(|reading| (found(reading), *reading)).collect();
    let most = counted.iter().map(|(count, _)| *count).max().unwrap_or(0);
    counted.into_iter().filter(|(count, _)| *count == most).map(|(_, reading)| reading).collect()
}

/// Returns the range of a place that is not empty.
fn range_of(text: &IndexedText<'_>, place: Place<'_>, reading: Reading) -> Option<TextRange> {
    text.range(reading, place.start, place.end).filter(|range| !text.slice(range).is_empty())
}

fn resolve_without_text(text: &IndexedText<'_>, place: Place<'_>, readings: &[Reading]) -> Result<Span, BadPlace> {
    let mut ranges = readings.iter().filter_map(|reading| range_of(text, place, *reading));
    let first = ranges.next().ok_or(BadPlace::Outside)?;
    if ranges.all(|range| range == first) { Ok(span(text, first)) } else { Err(BadPlace::Ambiguous) }
}

fn why_bad(text: &IndexedText<'_>, place: Place<'_>) -> BadPlace {
    if range_of(text, place, Reading::STORED).is_none() { BadPlace::Outside } else { BadPlace::OtherText }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = Result<(usize, usize, String), BadPlace>;

    fn resolve(text: &str, places: &[(usize, usize, Option<&str>)]) -> Vec<Found> {
        let places: Vec<Place<'_>> = places.iter().map(|&(start, end, text)| Place { start, end, text }).collect();
        let resolved = resolve_places(&IndexedText::new(text), &places);
        resolved.into_iter().map(|place| place.map(|span| (span.start, span.end, span.text))).collect()
    }

    fn at(start: usize, end: usize, text: &str) -> Found {
        Ok((start, end, text.to_owned()))
    }

    const WINDOWS: &str = "LEASE\r\nLandlord: Harbour Board\r\nTerm: nine years\r\n";

    #[test]
    fn offsets_in_code_points_and_utf16_units_become_code_points() {
        assert_eq!(resolve("né à Paris", &[(5, 10, Some("Paris"))]), [at(5, 10, "Paris")]);
        assert_eq!(resolve("né à Paris", &[(4, 9, Some("Paris"))]), [Err(BadPlace::OtherText)]);
        assert_eq!(resolve("😀😀 law of Texas 😀", &[(12, 17, Some("Texas"))]), [at(10, 15, "Texas")]);
        assert_eq!(resolve("😀😀 law of Texas 😀", &[(10, 15, Some("Texas"))]), [at(10, 15, "Texas")]);
    }

    #[test]
    fn crlf_counted_as_one_is_mapped() {
        let places = [(16, 29, Some("Harbour Board")), (36, 46, Some("nine years"))];
        assert_eq!(resolve(WINDOWS, &places), [at(17, 30, "Harbour Board"), at(38, 48, "nine years")]);
        // an emoji before, and UTF-16 units
        let places = [(18, 31, Some("Harbour Board")), (38, 48, Some("nine years"))];
        assert_eq!(resolve(&format!("😀{WINDOWS}"), &places), [at(18, 31, "Harbour Board"), at(39, 49, "nine years")]);
    }

    #[test]
    fn lf_counted_as_two_is_mapped() {
        let unix = WINDOWS.replace("\r\n", "\n");
        let places = [(17, 30, Some("Harbour Board")), (38, 48, Some("nine years")), (0, 5, None), (38, 42, None)];
        assert_eq!(resolve(&unix, &places), [at(16, 29, "Harbour Board"), at(36, 46, "nine years"), at(0, 5, "LEASE"), at(36, 40, "nine")]);
    }

    #[test]
    fn a_byte_order_mark_may_be_uncounted() {
        let text = "\u{feff}Law of Texas";
        assert_eq!(resolve(text, &[(7, 12, Some("Texas")), (0, 3, None)]), [at(8, 13, "Texas"), at(1, 4, "Law")]);
        assert_eq!(resolve(text, &[(8, 13, Some("Texas"))]), [at(8, 13, "Texas")]);
        assert_eq!(resolve(text, &[(7, 12, None)]), [Err(BadPlace::Ambiguous)]);
    }

    #[test]
    fn a_place_without_text_follows_the_others_or_is_not_taken() {
        assert_eq!(resolve(WINDOWS, &[(16, 29, Some("Harbour Board")), (36, 46, None)])[1], at(38, 48, "nine years"));
        assert_eq!(resolve(WINDOWS, &[(17, 30, Some("Harbour Board")), (38, 48, None)])[1], at(38, 48, "nine years"));
        assert_eq!(resolve(WINDOWS, &[(36, 46, None), (0, 5, None)]), [Err(BadPlace::Ambiguous), at(0, 5, "LEASE")]);
        assert_eq!(resolve("😀😀 nine years, then", &[(5, 15, None)]), [Err(BadPlace::Ambiguous)]);
        assert_eq!(resolve("two\nlines", &[(4, 9, None)]), [at(4, 9, "lines")], "nothing to confuse");
        // counted in code points, it would be beyond the end
        assert_eq!(resolve("😀😀 law", &[(5, 8, None)]), [at(3, 6, "law")]);
    }

    #[test]
    fn a_bad_place_costs_only_itself() {
        let text = "Acme and Sons of Ohio";
        let places = [(0, 4, Some("Acme")), (3, 7, Some("Sons")), (17, 21, None), (17, 99, None), (5, 5, Some(""))];
        let found = resolve(text, &places);
        assert_eq!(found[0], at(0, 4, "Acme"));
        assert_eq!(found[1], Err(BadPlace::OtherText));
        assert_eq!(found[2], at(17, 21, "Ohio"));
        assert_eq!((&found[3], &found[4]), (&Err(BadPlace::Outside), &Err(BadPlace::Outside)));
        assert_eq!(resolve(text, &[(3, 7, Some("Sons")), (17, 21, None)])[1], Err(BadPlace::Unverified));
        assert_eq!(resolve(text, &[(7, 3, Some("Sons"))]), [Err(BadPlace::Outside)]);
    }

    #[test]
    fn the_text_of_the_document_is_stored_however_a_browser_shows_it() {
        let text = "Supplier:  Norvik  Trading AS,\n\n  Oslo";
        assert_eq!(resolve(text, &[(11, 29, Some("Norvik Trading AS"))]), [at(11, 29, "Norvik  Trading AS")]);
        assert_eq!(resolve(text, &[(30, 38, Some("Oslo"))]), [at(30, 38, "\n\n  Oslo")]);
        assert_eq!(resolve("a Har\u{ad}bour", &[(2, 10, Some("Harbour"))]), [at(2, 10, "Har\u{ad}bour")]);
        assert_eq!(resolve("😀 Norvik  AS", &[(3, 13, Some("Norvik AS"))]), [at(2, 12, "Norvik  AS")]);
        assert_eq!(resolve("a\r\nb", &[(0, 3, Some("a\\nb"))]), [at(0, 4, "a\r\nb")]);
        assert_eq!(resolve("Goia\u{301}s", &[(0, 6, Some("Goiás"))]), [at(0, 6, "Goia\u{301}s")]);
    }
}
