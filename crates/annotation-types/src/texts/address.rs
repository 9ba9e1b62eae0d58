//! Recognizes texts that are only the address of a text: a URL, a path, a file name or a data URI.
//!
//! Labelling tools and converters export the address where the text belongs. A model would learn from file names.

/// Longest text in bytes that may be a path or URL; presigned URLs are the longest in use.
const MAX_ADDRESS_BYTES: usize = 8 << 10;
/// Maximum number of words of a file name.
const MAX_NAME_WORDS: usize = 6;

/// Endings of files that hold texts, pictures, sound or archives. Only these make a word without slashes a file name.
const EXTENSIONS: [&str; 62] = [
    "7z", "avi", "bmp", "bz2", "csv", "doc", "docm", "docx", "dot", "dotx", "eml", "epub", "flac", "gif", "gz", "htm", "html", "jpeg",
    "jpg", "json", "jsonl", "log", "m4a", "md", "mov", "mp3", "mp4", "msg", "odp", "ods", "odt", "ogg", "pages", "parquet", "pdf", "png",
    "ppt", "pptx", "ps", "rar", "rst", "rtf", "svg", "tar", "tex", "text", "tgz", "tif", "tiff", "tsv", "txt", "wav", "webm", "webp",
    "wpd", "xhtml", "xls", "xlsx", "xml", "xz", "yaml", "zip",
];

/// Words of a sentence that mentions a file, and not of a file name.
const SENTENCE_WORDS: [&str; 16] =
    ["see", "in", "is", "the", "are", "at", "as", "please", "attached", "refer", "from", "with", "file", "this", "was", "has"];

/// Shortest file in Base64 that is recognized, and how PDF, ZIP and Office, RTF, PNG, JPEG, GIF and old Office files start in it.
const MIN_BASE64_BYTES: usize = 64;
const BASE64_STARTS: [&str; 7] = ["JVBERi0", "UEsDB", "e1xydGY", "iVBORw0KGgo", "/9j/", "R0lGOD", "0M8R4KGx"];

/// Returns what kind of address a text is, for a message: `a URL`. `None` for any other text, even if it mentions an address.
#[must_use]
pub fn describe_address(text: &str) -> Option<&'static str> {
    let text = link_target(unquote(text));
    if is_data_uri(text) {
        return Some("a data URI");
    }
    if is_base64_file(text) {
        return Some("a file in Base64");
    }
    if text.is_empty() || text.len() > MAX_ADDRESS_BYTES {
        return None;
    }
    let mut lines = text.lines().map(unquote).filter(|line| !line.is_empty());
    let kind = describe_line(lines.next()?)?;
    // a list of addresses is no text either
    lines.all(|line| describe_line(line).is_some()).then_some(kind)
}

fn describe_line(line: &str) -> Option<&'static str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.len() > 1 && words.iter().all(|word| has_scheme(word)) {
        return Some("a URL");
    }
    if has_scheme(line) {
        return is_one_location(&words).then_some("a URL");
    }
    if is_drive_path(line) || is_unc_path(line) {
        return is_one_location(&words).then_some("a Windows path");
    }
    if let [word] = words.as_slice() {
        return describe_word(word);
    }
    // a list, as `a.pdf, b.pdf`
    let mut listed = words.iter().map(|word| describe_word(unquote(word.trim_end_matches([',', ';']))));
    if let Some(kind) = listed.next().flatten()
        && listed.all(|kind| kind.is_some())
    {
        return Some(kind);
    }
    if line.starts_with(['/', '~']) || line.starts_with("./") || line.starts_with("../") {
        return (is_one_location(&words) && has_known_extension(line)).then_some("a path");
    }
    (is_file_name(&words)).then_some("a file name")
}

fn describe_word(word: &str) -> Option<&'static str> {
    let path = word.split(['?', '#']).next().unwrap_or(word);
    let segments = path.split(['/', '\\']).filter(|segment| !segment.is_empty() && *segment != "." && *segment != "..").count();
    let is_rooted = word.starts_with('/') || word.starts_with("~/") || word.starts_with("./") || word.starts_with("../");
    if word.to_ascii_lowercase().starts_with("www.") && segments > 0 {
        return Some("a URL");
    }
    if is_rooted && (segments > 1 || has_extension(path)) {
        return Some("a path");
    }
    if segments > 1 && has_extension(path) && (has_known_extension(path) || segments > 2) {
        return Some("a path");
    }
    (segments == 1 && has_known_extension(path)).then_some("a file name")
}

/// Removes quotes and brackets around an address, and characters that are not visible.
fn unquote(text: &str) -> &str {
    text.trim_matches(|character: char| {
        character.is_whitespace() || crate::comparison::is_invisible(character) || "\"'`<>()[]«»„“”".contains(character)
    })
}

/// The target of a text that is only a Markdown link or picture, `[Lease](https://…)`; any other text as it is.
fn link_target(text: &str) -> &str {
    let rest = text.strip_prefix('!').unwrap_or(text).trim_start_matches('[');
    match rest.split_once("](") {
        // the brackets around a link have been removed as quotes
        Some((label, target)) if !label.contains(['\n', '[']) && !target.contains(char::is_whitespace) => target.trim_end_matches(')'),
        _ => text,
    }
}

/// Whether a text is a file in Base64, by its first bytes.
fn is_base64_file(text: &str) -> bool {
    text.len() >= MIN_BASE64_BYTES
        && BASE64_STARTS.iter().any(|start| text.starts_with(start))
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\r' | b'\n'))
}

fn is_data_uri(text: &str) -> bool {
    let Some(rest) = text.get(..5).filter(|start| start.eq_ignore_ascii_case("data:")).map(|_| &text[5..]) else {
        return false;
    };
    let Some((header, _)) = rest.split_once(',') else {
        return false;
    };
    let mut parts = header.split(';');
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte));
    let is_type = parts.next().is_some_and(|kind| match kind.split_once('/') {
        Some((kind, subtype)) => is_token(kind) && is_token(subtype),
        None => kind.is_empty() && header.len() > kind.len(),
    });
    is_type && parts.all(|part| part.split_once('=').map_or(part, |(name, _)| name).bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Whether a text starts with a scheme such as `s3://`, followed by something.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte));
    let has_location = rest.strip_prefix("//").is_some_and(|rest| rest.starts_with(|first: char| !first.is_whitespace()))
        || (scheme.eq_ignore_ascii_case("blob") && has_scheme(rest));
    is_scheme && (has_location || (scheme.eq_ignore_ascii_case("file") && rest.starts_with('/') && rest.len() > 1))
}

fn is_drive_path(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 3 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && matches!(bytes[2], b'\\' | b'/')
}

fn is_unc_path(text: &str) -> bool {
    text.strip_prefix("\\\\")
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_alphanumeric() || "?._".contains(first)) && rest.contains('\\'))
}

/// Whether words are one location with blanks in it, and not an address that is followed by a sentence.
fn is_one_location(words: &[&str]) -> bool {
    let [first, .., last] = words else {
        return true;
    };
    // the path goes on after the first blank: it has begun, and has no ending yet
    let path = first.split_once("://").map_or(*first, |(_, rest)| rest);
    let is_sentence = words[1..].iter().any(|word| SENTENCE_WORDS.contains(word)) || words.len() > 2 * MAX_NAME_WORDS;
    path.contains(['/', '\\'])
        && !has_known_extension(first)
        && has_extension(last.split(['?', '#']).next().unwrap_or(last))
        && !is_sentence
}

/// Whether several words are the name of a file: `Lease 118 (final).pdf`.
fn is_file_name(words: &[&str]) -> bool {
    let Some((last, others)) = words.split_last() else {
        return false;
    };
    words.len() <= MAX_NAME_WORDS
        && has_known_extension(last)
        && words.iter().any(|word| word.contains(|character: char| character.is_ascii_digit() || "_-()".contains(character)))
        && !others.iter().any(|word| {
            SENTENCE_WORDS.contains(&word.to_lowercase().as_str()) || word.ends_with([',', ';', ':', '.']) || has_known_extension(word)
        })
}

fn extension(path: &str) -> Option<&str> {
    let name = path.rsplit(['/', '\\']).next()?;
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty()).then_some(extension)
}

/// Whether a path ends like the name of a file: a dot and up to five letters or digits, not only digits.
fn has_extension(path: &str) -> bool {
    extension(path).is_some_and(|extension| {
        (1..=5).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && extension.bytes().any(|byte| byte.is_ascii_alphabetic())
    })
}

fn has_known_extension(path: &str) -> bool {
    extension(path).is_some_and(|extension| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_texts_are_recognized() {
        for (text, kind) in [
            ("/data/upload/7/3f2c9a10-lease_118.txt", "a path"),
            ("/data/local-files/?d=contracts/lease_119.txt", "a path"),
            ("s3://contracts-raw/2024/lease_120.txt", "a URL"),
            ("gs://contracts-raw/lease_121.txt", "a URL"),
            ("https://files.example.org/lease_122.txt", "a URL"),
            ("azure-blob://raw/lease_123.txt", "a URL"),
            ("abfss://raw@account.dfs.core.windows.net/lease", "a URL"),
            ("file:///srv/lease.txt", "a URL"),
            ("file:/srv/lease.txt", "a URL"),
            ("HTTP://EXAMPLE.ORG", "a URL"),
            ("  https://files.example.org/lease_122.txt \n", "a URL"),
            ("\u{feff}https://files.example.org/lease 1 (final).txt", "a URL"),
            ("s3://bucket/my lease 120.txt", "a URL"),
            ("https://x.s3.amazonaws.com/a.txt?X-Amz-Signature=0123&X-Amz-Expires=3600", "a URL"),
            ("\"https://example.org/a\"", "a URL"),
            ("<https://example.org/a>", "a URL"),
            ("s3://a/1.txt\ns3://a/2.txt", "a URL"),
            ("s3://a/1.txt s3://a/2.txt", "a URL"),
            ("www.example.org/lease", "a URL"),
            ("C:\\contracts\\lease.txt", "a Windows path"),
            ("c:/contracts/lease 118.docx", "a Windows path"),
            ("\\\\server\\share\\lease.txt", "a Windows path"),
            ("\\\\server\\share\\My Documents\\lease 1.txt", "a Windows path"),
            ("data:text/plain;base64,TGVhc2U=", "a data URI"),
            ("data:text/plain;charset=utf-8,The%20lease", "a data URI"),
            ("data:;base64,TGVhc2U=", "a data URI"),
            ("DATA:application/pdf;base64,JVBERi0", "a data URI"),
            ("upload/7/a.txt", "a path"),
            ("./a.txt", "a path"),
            ("~/contracts/lease", "a path"),
            ("/srv/my contracts/lease 1.txt", "a path"),
            ("lease_118.pdf", "a file name"),
            ("Lease 118 (final).PDF", "a file name"),
            ("contrato-são-paulo.docx", "a file name"),
            ("lease_118.pdf, lease_119.pdf", "a file name"),
            ("lease.pdf; loan.pdf", "a file name"),
            ("[\"s3://a/1.txt\", \"s3://a/2.txt\"]", "a URL"),
            ("s3://a/1.txt,s3://a/2.txt", "a URL"),
            ("[Lease](https://example.org/a.pdf)", "a URL"),
            ("![scan](/data/upload/7/a.png)", "a path"),
            ("blob:https://example.org/0f3a", "a URL"),
            ("dbfs:/mnt/contracts/a.txt", "a path"),
            ("\\\\?\\C:\\contracts\\a.txt", "a Windows path"),
            ("/mnt/c/Users/Ana/a.txt\n/mnt/c/Users/Ana/b.txt", "a path"),
            ("\u{200f}s3://a/חוזה.pdf", "a URL"),
        ] {
            assert_eq!(describe_address(text), Some(kind), "{text:?}");
        }
    }

    #[test]
    fn files_in_base64_are_no_texts() {
        for start in BASE64_STARTS {
            let text = format!("{start}{}\n{}==", "Ab9+".repeat(20), "xY/7".repeat(10));
            assert_eq!(describe_address(&text), Some("a file in Base64"), "{start}");
        }
    }

    #[test]
    fn texts_that_only_mention_an_address_are_texts() {
        for text in [
            "See https://files.example.org/terms.txt for the terms of this lease of the north quay.",
            "https://files.example.org/terms.txt has the terms of this lease.",
            "https://files.example.org/terms.txt\nThe terms of this lease.",
            "The lease is in lease_118.pdf",
            "Please see lease_118.pdf",
            "/s/ John Doe",
            "/s/",
            "and/or",
            "km/h",
            "24/7",
            "1/2.5",
            "e.g.",
            "U.S.A.",
            "Acme Inc.",
            "Note: the landlord / the tenant.",
            "data: the values, as agreed",
            "Data:lease, term",
            "C: the tenant",
            "Re: lease",
            "re://",
            "Yes",
            "",
            "\\\\",
            "Clause 7.txt is void, and the tenant pays",
            "<p>Lease</p>",
            "[Lease](https://example.org/a.pdf) of the quay",
            "[1](a) and [2](b)",
            "Lease, Loan",
            "U.S.A. e.g.",
            "JVBERi0 is how a PDF starts",
            "/9j/ and more",
            "lease_118.pdf, the lease",
            "Ver contrato.pdf",
        ] {
            assert_eq!(describe_address(text), None, "{text:?}");
        }
    }
}
