//! Resolves the spans of a review against the latest text.

use aprendiz_annotation_types::{IndexedText, Span, same_on_screen};

use crate::reviews::error::ReviewError;
use crate::reviews::new_review::SpanInput;
use crate::reviews::validate::{MAX_TOTAL_BYTES, invalid};

/// Maximum number of characters of the text quoted in an error.
const MAX_QUOTED_CHARS: usize = 60;

/// Returns the spans with their texts, as JSON to store; `None` for no spans.
pub(super) fn resolve_spans(spans: &[SpanInput], text: &str) -> Result<Option<serde_json::Value>, ReviewError> {
    if spans.is_empty() {
        return Ok(None);
    }
    let text = IndexedText::new(text);
    let mut resolved = Vec::with_capacity(spans.len());
    let mut bytes = 0;
    for SpanInput { start, end, text: expected } in spans {
        let (start, end) = (*start, *end);
        let Some(found) = text.between(start, end).filter(|found| !found.is_empty()) else {
            return Err(invalid(
                "spans",
                format!("{start}..{end} is not a span of the latest text: offsets count code points from 0, end excluded"),
            ));
        };
        if expected.as_deref().is_some_and(|expected| !same_on_screen(found, expected)) {
            let quoted: String = found.chars().take(MAX_QUOTED_CHARS).collect();
            return Err(invalid(
                "spans",
                format!("the text at {start}..{end} is {quoted:?}, not the given one: offsets count code points of the latest text"),
            ));
        }
        bytes += found.len();
        resolved.push(Span { start, end, text: found.to_owned() });
    }
    if bytes > MAX_TOTAL_BYTES {
        return Err(invalid("spans", format!("the spans have {bytes} bytes of text in total; at most {MAX_TOTAL_BYTES} are allowed")));
    }
    Ok(Some(serde_json::to_value(&resolved).expect("spans are numbers and strings")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_count_code_points_and_must_match_the_text() {
        let span = |start, end, text: Option<&str>| SpanInput { start, end, text: text.map(str::to_owned) };
        let text = "😀 né à Paris";
        let stored = resolve_spans(&[span(7, 12, Some("Paris")), span(0, 1, None)], text).unwrap().unwrap();
        assert_eq!(stored, serde_json::json!([{"start": 7, "end": 12, "text": "Paris"}, {"start": 0, "end": 1, "text": "😀"}]));
        let collapsed = resolve_spans(&[span(0, 12, Some("Norvik AS"))], "Norvik  \n AS").unwrap().unwrap();
        assert_eq!(collapsed[0]["text"], "Norvik  \n AS", "the text of the document is stored");
        assert_eq!(resolve_spans(&[], text).unwrap(), None);
        let reason = |span| resolve_spans(&[span], text).unwrap_err().to_string();
        assert!(reason(span(8, 13, Some("Paris"))).contains("not a span"));
        assert!(reason(span(6, 11, Some("Paris"))).contains("is \" Pari\""));
        assert!(reason(span(3, 3, None)).contains("not a span"));
        assert!(reason(span(5, 3, None)).contains("not a span"));
    }
}
