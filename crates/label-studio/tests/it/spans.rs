//! Places as tools write them: one way of counting holds for all places of an annotation.

use serde_json::{Value, json};

use crate::reading::{Found, annotation, read_tasks};

/// The spans of the field `party` in an annotation with these places, `(start, end, text)`.
fn found(text: &str, places: &[(Value, Value, Option<&str>)]) -> Found {
    let items: Vec<Value> = places
        .iter()
        .map(|(start, end, text)| json!({"type": "labels", "from_name": "label", "value": {"start": start, "end": end, "text": text, "labels": ["party"]}}))
        .collect();
    read_tasks(&[json!({"id": 1, "data": {"text": text}, "annotations": [annotation(10, "2025-03-02T10:00:00Z", json!(items))]})])
}

fn spans(found: &Found) -> Vec<(usize, usize, String)> {
    let field = found.task("1").reviews[0].values.get("party");
    field.map(|field| field.spans.iter().map(|span| (span.start, span.end, span.text.clone())).collect()).unwrap_or_default()
}

#[test]
fn places_of_all_scripts_and_line_ends_are_found() {
    let whole = |start: usize, end: usize| (json!(start), json!(end));
    for (text, places, expected) in [
        // Hebrew with direction marks, which a browser does not copy
        ("\u{200f}חוזה שכירות\u{200e} Acme", vec![(whole(1, 12), Some("חוזה שכירות"))], vec![(1, 12, "חוזה שכירות")]),
        ("\u{200f}חוזה\u{200f} Acme", vec![(whole(0, 6), Some("חוזה"))], vec![(0, 6, "\u{200f}חוזה\u{200f}")]),
        // Thai with combining vowels counts code points
        ("สัญญาเช่า ท่าเรือ", vec![(whole(0, 9), Some("สัญญาเช่า"))], vec![(0, 9, "สัญญาเช่า")]),
        // an emoji of several code points, in UTF-16 units and in code points
        ("👨\u{200d}👩\u{200d}👧 Acme", vec![(whole(9, 13), Some("Acme"))], vec![(6, 10, "Acme")]),
        ("👨\u{200d}👩\u{200d}👧 Acme", vec![(whole(6, 10), Some("Acme"))], vec![(6, 10, "Acme")]),
        // a heart with a variation selector has one UTF-16 unit more
        ("❤\u{fe0f}😀 Acme and Sons", vec![(whole(5, 9), Some("Acme")), (whole(14, 18), None)], vec![(4, 8, "Acme"), (13, 17, "Sons")]),
        // letters beyond 16 bits
        ("𠮷野家 of Tokyo", vec![(whole(0, 4), Some("𠮷野家"))], vec![(0, 3, "𠮷野家")]),
        // Windows line ends counted once, beside a place without text
        ("a\r\nb\r\nAcme\r\nSons", vec![(whole(4, 8), Some("Acme")), (whole(9, 13), None)], vec![(6, 10, "Acme"), (12, 16, "Sons")]),
        // Mac line ends are one character in every count
        ("a\rb\rAcme", vec![(whole(4, 8), Some("Acme"))], vec![(4, 8, "Acme")]),
        // a byte-order mark at the start is counted or not, one in the middle always
        ("\u{feff}Acme\u{feff}Sons", vec![(whole(0, 4), Some("Acme")), (whole(5, 9), Some("Sons"))], vec![(1, 5, "Acme"), (6, 10, "Sons")]),
        // numbers as text areas of old versions wrote them
        ("Acme and Sons", vec![((json!(0.0), json!(4.0)), Some("Acme"))], vec![(0, 4, "Acme")]),
        // a selection with the blank after it, and one over a page break
        (
            "Acme  and\u{c}Sons",
            vec![(whole(0, 6), Some("Acme")), (whole(6, 14), Some("and Sons"))],
            vec![(0, 6, "Acme  "), (6, 14, "and\u{c}Sons")],
        ),
    ] {
        let places: Vec<_> = places.into_iter().map(|((start, end), text)| (start, end, text)).collect();
        let found = found(text, &places);
        let expected: Vec<_> = expected.into_iter().map(|(start, end, text)| (start, end, text.to_owned())).collect();
        assert_eq!(spans(&found), expected, "{text:?}: {:?}", found.notes());
        assert!(found.notes().is_empty(), "{text:?}: {:?}", found.notes());
    }
}

#[test]
fn a_place_that_is_not_certain_is_left_out_with_its_reason() {
    let whole = |start: usize, end: usize| (json!(start), json!(end));
    for (text, places, kept, note) in [
        ("😀 Acme and Sons", vec![(whole(3, 7), None)], vec![], "can be counted in several ways"),
        (
            "😀 Acme and Sons",
            vec![(whole(3, 7), Some("Acme")), (whole(11, 15), Some("Sons")), (whole(7, 10), Some("and"))],
            vec![11, 7],
            "counted in another way",
        ),
        (
            "Acme\r\nand\r\nSons",
            vec![(whole(0, 4), Some("Acme")), (whole(9, 13), Some("Sons")), (whole(6, 9), Some("and"))],
            vec![0],
            "counted in another way",
        ),
        ("Acme and Sons", vec![(whole(0, 4), Some("Sons"))], vec![], "is not that of the document"),
        ("Acme and Sons", vec![(whole(0, 4), Some("acme"))], vec![], "is not that of the document"),
        ("Acme and Sons", vec![(whole(9, 99), Some("Sons"))], vec![], "outside of the text"),
        ("Acme and Sons", vec![(whole(4, 4), None)], vec![], "outside of the text"),
        ("Acme and Sons", vec![((json!("0"), json!("4")), Some("Acme"))], vec![], "a turn of a dialogue"),
        ("Acme and Sons", vec![((json!(-4), json!(4)), Some("Acme"))], vec![], "no whole numbers"),
        ("Acme and Sons", vec![((json!(0.5), json!(4)), Some("Acme"))], vec![], "a time in a recording"),
        ("Acme and Sons", vec![((json!(0), json!(1e308)), Some("Acme"))], vec![], "a place is out of range"),
        (
            "Acme and Sons",
            vec![((json!("/div[1]/p[2]/text()[1]"), json!("/div[1]/p[2]/text()[1]")), Some("Acme"))],
            vec![],
            "a path into HTML",
        ),
        ("Acme and Sons", vec![((json!(null), json!(4)), Some("Acme"))], vec![], "no whole numbers"),
    ] {
        let places: Vec<_> = places.into_iter().map(|((start, end), text)| (start, end, text)).collect();
        let found = found(text, &places);
        let starts: Vec<usize> = spans(&found).into_iter().map(|(start, ..)| start).collect();
        assert_eq!(starts, kept, "{text:?}: {:?}", found.notes());
        assert!(found.has_note(&[note, "task 1, annotation 10, party"]), "{text:?}: {:?}", found.notes());
        if kept.is_empty() {
            assert_eq!(found.value("1", "party"), None, "lost, not \"no value\"");
        }
    }
}
