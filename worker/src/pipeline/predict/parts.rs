//! Divides documents into parts of a bounded number and size.

use aprendiz_annotations::predictions::DocumentToPredict;

/// Parts of at most this number of documents, and of a bounded size of text.
pub(super) fn split(documents: &[DocumentToPredict], max_documents: usize) -> impl Iterator<Item = &[DocumentToPredict]> {
    const MAX_BYTES: usize = 8 << 20;
    let mut rest = documents;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |document: &&DocumentToPredict| {
            bytes += usize::try_from(document.bytes).unwrap_or(0);
            bytes <= MAX_BYTES
        };
        // a longer text is a part of its own
        let size = rest.iter().take(max_documents).take_while(fits).count().max(1).min(rest.len());
        let (part, others) = rest.split_at(size);
        rest = others;
        (!part.is_empty()).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn document(bytes: i32) -> DocumentToPredict {
        DocumentToPredict { id: Uuid::nil(), text_version: 1, bytes, is_predicted: false }
    }

    #[test]
    fn parts_are_bounded_by_documents_and_by_size() {
        let sizes = |bytes: &[i32], max| {
            let documents: Vec<DocumentToPredict> = bytes.iter().map(|bytes| document(*bytes)).collect();
            split(&documents, max).map(<[_]>::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[1; 5], 2), [2, 2, 1]);
        assert_eq!(sizes(&[6 << 20, 6 << 20, 1, 9 << 20, 1], 10), [1, 2, 1, 1]);
        assert_eq!(sizes(&[], 2), [0; 0]);
    }
}
