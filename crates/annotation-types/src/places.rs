//! Resolves the places of one annotation: finds the reading of their offsets, and the spans of the document that they mean.
//!
//! A tool counts all places of an annotation alike. The text that it stores beside a place is evidence: the reading that explains the most
//! of these texts is that of the tool, and applies to places without text, too. Without evidence, a place is only taken if every plausible
//! reading finds the same span.

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
    /// Its text is that of the document only in another reading than that of the other places.
    OtherReading,
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
    let readings = explaining_readings(text, places);
    let without_text = consistent_readings(text, places, &readings.best);
    let resolve = |place: &Place<'_>| {
        if has_text(place) {
            resolve_with_text(text, *place, &readings)
        } else if readings.explain_nothing {
            Err(BadPlace::Unverified)
        } else {
            resolve_without_text(text, *place, &without_text)
        }
    };
    places.iter().map(resolve).collect()
}

/// The readings of an annotation.
struct Readings {
    /// Those that explain the most texts, most plausible first.
    best: Vec<Reading>,
    /// All others that were considered.
    others: Vec<Reading>,
    /// Whether there are texts, and none of them is explained.
    explain_nothing: bool,
}

/// Finds the readings that explain the most texts. An unusual reading counts only if it explains more of them than every plausible one.
fn explaining_readings(text: &IndexedText<'_>, places: &[Place<'_>]) -> Readings {
    let texts = places.iter().filter(|place| has_text(place)).count();
    let scored = |reading| Candidate { reading, score: score(text, places, reading) };
    let best_score = |candidates: &[Candidate]| candidates.iter().map(|candidate| candidate.score).max().unwrap_or_default();
    let mut candidates: Vec<Candidate> = Reading::plausible(text.ambiguities()).into_iter().map(scored).collect();
    let plausible = best_score(&candidates);
    if plausible.0 < texts {
        let unusual = Reading::unusual(text.ambiguities()).into_iter().map(scored);
        candidates.extend(unusual.filter(|candidate| candidate.score.0 > plausible.0));
    }
    let score = best_score(&candidates);
    let (best, others): (Vec<Candidate>, Vec<Candidate>) = candidates.into_iter().partition(|candidate| candidate.score == score);
    let readings = |candidates: Vec<Candidate>| candidates.into_iter().map(|candidate| candidate.reading).collect();
    Readings { best: readings(best), others: readings(others), explain_nothing: texts > 0 && score.0 == 0 }
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

/// Resolves a place by the readings of its annotation. If several explain equally many texts, but not the same ones, it is unknown which of
/// them the tool used.
fn resolve_with_text(text: &IndexedText<'_>, place: Place<'_>, readings: &Readings) -> Result<Span, BadPlace> {
    let found: Vec<Option<Span>> = readings.best.iter().map(|reading| matching_span(text, place, *reading)).collect();
    if found.iter().all(Option::is_some) {
        return found.into_iter().flatten().next().ok_or(BadPlace::OtherText);
    }
    let is_explained = found.iter().any(Option::is_some) || readings.others.iter().any(|reading| matches(text, place, *reading).is_some());
    Err(match is_explained {
        true => BadPlace::OtherReading,
        false if range_of(text, place, Reading::STORED).is_none() => BadPlace::Outside,
        false => BadPlace::OtherText,
    })
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
    fn one_reading_holds_for_all_places_of_an_annotation() {
        // 16..29 counts \r\n as one, 38..48 as two: of two that contradict each other, neither is certain
        let places = [(16, 29, Some("Harbour Board")), (38, 48, Some("nine years")), (0, 5, Some("LEASE")), (0, 5, None), (31, 35, None)];
        assert_eq!(
            resolve(WINDOWS, &places),
            [Err(BadPlace::OtherReading), Err(BadPlace::OtherReading), at(0, 5, "LEASE"), at(0, 5, "LEASE"), Err(BadPlace::Ambiguous)]
        );
        // a third place decides
        let places = [(16, 29, Some("Harbour Board")), (38, 48, Some("nine years")), (6, 14, Some("Landlord")), (30, 34, None)];
        assert_eq!(
            resolve(WINDOWS, &places),
            [at(17, 30, "Harbour Board"), Err(BadPlace::OtherReading), at(7, 15, "Landlord"), at(32, 36, "Term")]
        );
        // code points of a script beside UTF-16 units of a browser
        let places = [(3, 6, Some("law")), (10, 15, Some("Texas")), (12, 17, Some("Texas"))];
        let found = resolve("😀😀 law of Texas 😀", &places);
        assert_eq!(found, [at(3, 6, "law"), at(10, 15, "Texas"), Err(BadPlace::OtherReading)]);
    }

    #[test]
    fn an_unusual_reading_needs_evidence() {
        // both explain the first place; that `\n` counts as two explains nothing more
        let places = [(0, 5, Some("LEASE")), (7, 11, Some("x")), (6, 14, None)];
        let unix = WINDOWS.replace("\r\n", "\n");
        assert_eq!(resolve(&unix, &places), [at(0, 5, "LEASE"), Err(BadPlace::OtherText), at(6, 14, "Landlord")]);
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
