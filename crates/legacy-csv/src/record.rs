//! Splits the bytes of a CSV file into records, and detects quotes that were lost or added.
//!
//! A reader that accepts any quotes lets a value whose closing quote is missing end at the opening quote of a later row. The rows between
//! them are then part of that value. Here such a record has a [`QuoteFault`], and the caller decides where the next record starts.

/// The cells of a record, without their quotes.
#[derive(Debug, Default)]
pub(crate) struct Record {
    bytes: Vec<u8>,
    /// End of each cell.
    ends: Vec<usize>,
}

impl Record {
    /// Number of cells.
    pub(crate) const fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, cell: usize) -> Option<&[u8]> {
        let start = if cell == 0 { 0 } else { *self.ends.get(cell - 1)? };
        self.bytes.get(start..*self.ends.get(cell)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|cell| self.get(cell))
    }

    /// All cells, one after the other.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether no cell contains anything but white space.
    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }

    /// Becomes a record of one cell.
    pub(crate) fn set(&mut self, cell: &[u8]) {
        self.clear();
        self.bytes.extend_from_slice(cell);
        self.end_cell();
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn end_cell(&mut self) {
        self.ends.push(self.bytes.len());
    }
}

/// Why the quotes of a record cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuoteFault {
    /// A closing quote is followed by neither a delimiter nor the end of a line.
    TextAfterClosingQuote,
    /// No quote closes a value.
    NeverClosed,
    /// An unquoted value ends with a quote, or contains doubled quotes.
    NeverOpened,
    /// A quoted value starts in a line that looks like a whole row, and ends in another one.
    SpansRows,
    /// The lines of a quoted value do not have the number of cells of the header.
    WrongColumns,
    /// A quote in a later line shows that the last value ended too early.
    EndsEarly,
    /// It may be part of the value of a damaged row before it.
    AfterDamage,
}

impl QuoteFault {
    /// What is wrong, and the way out.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::TextAfterClosingQuote => {
                "a closing quote is followed by other text: a quote is missing or superfluous here; write a quote inside a value twice (\"\")"
            }
            Self::NeverClosed => "a value is opened by a quote and never closed: add the closing quote",
            Self::NeverOpened => {
                "a value without an opening quote ends with a quote or contains doubled quotes: add the opening quote, or quote the value and \
                 write each quote inside it twice (\"\")"
            }
            Self::SpansRows => {
                "a quoted value reaches from one row into another one, as if its closing quote and the opening quote there were lost: add the \
                 quotes, or, if the value is right, export the file with another delimiter"
            }
            Self::WrongColumns => {
                "a quoted value spans several lines, and the number of columns is wrong: look for a missing quote, or a delimiter that should be \
                 quoted"
            }
            Self::EndsEarly => {
                "the last value ends at a quote, and a later line goes on with it: write a quote inside a value twice (\"\")"
            }
            Self::AfterDamage => "it may be part of the value of the damaged row before it: correct the quotes there",
        }
    }
}

/// A record at the start of a buffer.
#[derive(Debug)]
pub(crate) struct Split {
    /// Bytes of the record with its line end; up to the fault if it has one.
    pub(crate) length: usize,
    pub(crate) fault: Option<QuoteFault>,
}

/// Splits the record at the start of `buffer`. `None` if it ends after the buffer; `is_end` says that nothing follows the buffer.
pub(crate) fn split_record(buffer: &[u8], delimiter: u8, is_end: bool, record: &mut Record) -> Option<Split> {
    record.clear();
    let ends_cell = |byte: &u8| *byte == delimiter || matches!(byte, b'\n' | b'\r');
    let mut at = 0;
    loop {
        if buffer.get(at) == Some(&b'"') {
            at += 1;
            loop {
                let Some(quote) = buffer[at..].iter().position(|byte| *byte == b'"') else {
                    return is_end.then_some(Split { length: buffer.len(), fault: Some(QuoteFault::NeverClosed) });
                };
                record.bytes.extend_from_slice(&buffer[at..at + quote]);
                at += quote + 1;
                match buffer.get(at) {
                    None if !is_end => return None,
                    Some(b'"') => {
                        record.bytes.push(b'"');
                        at += 1;
                    }
                    Some(byte) if !ends_cell(byte) => {
                        return Some(Split { length: at, fault: Some(QuoteFault::TextAfterClosingQuote) });
                    }
                    _ => break,
                }
            }
        } else {
            let length = match buffer[at..].iter().position(ends_cell) {
                Some(length) => length,
                None if is_end => buffer.len() - at,
                None => return None,
            };
            let cell = &buffer[at..at + length];
            at += length;
            if was_never_opened(cell) {
                return Some(Split { length: at, fault: Some(QuoteFault::NeverOpened) });
            }
            record.bytes.extend_from_slice(cell);
        }
        record.end_cell();
        match buffer.get(at) {
            Some(byte) if *byte == delimiter => at += 1,
            // the end of the line may be two bytes
            Some(b'\r') if at + 1 == buffer.len() && !is_end => return None,
            _ => return Some(Split { length: at + line_end(&buffer[at..]), fault: None }),
        }
    }
}

/// Whether an unquoted cell has a quote that belongs to a quoted one. A quote within it, as in `5" pipe`, is a character.
pub(crate) fn was_never_opened(cell: &[u8]) -> bool {
    let quotes = cell.iter().filter(|byte| **byte == b'"').count();
    quotes > 0 && ((quotes % 2 == 1 && cell.trim_ascii_end().ends_with(b"\"")) || cell.windows(2).any(|pair| pair == b"\"\""))
}

/// Length of the line end at the start of `rest`: 0 to 2 bytes.
pub(crate) fn line_end(rest: &[u8]) -> usize {
    match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

/// The first line of `bytes`, without its end.
pub(crate) fn first_line(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    &bytes[..end.unwrap_or(bytes.len())]
}

/// Number of line ends in `bytes`.
pub(crate) fn count_lines(mut bytes: &[u8]) -> u64 {
    let mut lines = 0;
    loop {
        bytes = &bytes[first_line(bytes).len()..];
        if bytes.is_empty() {
            return lines;
        }
        lines += 1;
        bytes = &bytes[line_end(bytes)..];
    }
}

/// Whether a quoted value of several lines looks as if it reached from one row into another one: at one of its line ends, the cells before
/// it are of the same sort as those after the value, and the cells after it as those before the value.
pub(crate) fn spans_rows(raw: &[u8], delimiter: u8, record: &Record) -> bool {
    let Some(column) = record.iter().position(|cell| cell.iter().any(|byte| matches!(byte, b'\n' | b'\r'))) else { return false };
    let tail = record.len() - column - 1;
    let own: Vec<&[u8]> = record.iter().collect();
    let mut before: Option<&[u8]> = None;
    for line in raw.trim_ascii_end().split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()) {
        if let Some(before) = before {
            let ends: Vec<&[u8]> = before.split(|byte| *byte == delimiter).collect();
            let starts: Vec<&[u8]> = line.split(|byte| *byte == delimiter).collect();
            if ends.len() > tail && starts.len() > column {
                let cells = starts[..column].iter().zip(&own[..column]);
                let cells = cells.chain(ends[ends.len() - tail..].iter().zip(&own[column + 1..]));
                let pairs: Option<Vec<(Shape, Shape)>> = cells.map(|(cell, own)| Shape::of(cell).zip(Shape::of(own))).collect();
                if pairs.is_some_and(|pairs| are_alike(&pairs)) {
                    return true;
                }
            }
        }
        before = Some(line);
    }
    false
}

/// Whether no two cells differ in their sort, and one or two of them are neither empty nor alone in their column.
fn are_alike(pairs: &[(Shape, Shape)]) -> bool {
    let same = pairs.iter().filter(|(one, other)| one == other && *one != Shape::Empty).count();
    let is_like = |(one, other): &(Shape, Shape)| one == other || *one == Shape::Empty || *other == Shape::Empty;
    pairs.iter().all(is_like) && same >= pairs.len().clamp(1, 2)
}

/// Sort of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Empty,
    Number,
    Text,
}

impl Shape {
    /// `None` if the cell starts with white space: then the delimiter before it is punctuation of a text.
    fn of(cell: &[u8]) -> Option<Self> {
        if cell.first().is_some_and(u8::is_ascii_whitespace) {
            return None;
        }
        let content: Vec<u8> = cell.iter().copied().filter(|byte| *byte != b'"').collect();
        let is_number = content.iter().all(|byte| byte.is_ascii_digit() || b".,-+".contains(byte));
        Some(match (content.is_empty(), is_number) {
            (true, _) => Self::Empty,
            (false, true) => Self::Number,
            (false, false) => Self::Text,
        })
    }
}
