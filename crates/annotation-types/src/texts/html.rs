//! Recognizes HTML, and renders it as the text that a browser shows.

use std::borrow::Cow;

/// What follows for a text that is HTML.
pub const HTML_TEXT: &str = "the text is HTML: its tags become features of models, and places in it are not read; only near-duplicates are \
                             found by the rendered text; import the plain text instead";

/// Elements whose tags are enough to recognize HTML.
const ELEMENTS: [&str; 50] = [
    "a",
    "article",
    "b",
    "blockquote",
    "body",
    "br",
    "center",
    "code",
    "dd",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "img",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "ol",
    "p",
    "pre",
    "script",
    "section",
    "small",
    "span",
    "strong",
    "style",
    "sub",
    "sup",
    "table",
    "td",
    "th",
    "title",
    "tr",
    "ul",
];
/// Elements that do not separate words.
const INLINE: [&str; 21] = [
    "a", "abbr", "acronym", "b", "big", "cite", "code", "del", "em", "font", "i", "ins", "mark", "s", "small", "span", "strike", "strong",
    "sub", "sup", "u",
];
/// Elements whose content is not shown.
const HIDDEN: [&str; 6] = ["script", "style", "template", "noscript", "title", "head"];
/// Number of closing tags that make a text HTML, wherever they are.
const MIN_CLOSING_TAGS: usize = 3;
/// Longest entity name or number.
const MAX_ENTITY_BYTES: usize = 12;

/// Whether a text is HTML: it starts as a page or with an element, or it has several closing tags.
#[must_use]
pub fn is_html(text: &str) -> bool {
    let Some(first) = text.find('<') else {
        return false;
    };
    let start = text[..first].trim_matches(|character: char| character.is_whitespace() || character == '\u{feff}').is_empty();
    let mut closing = 0;
    for (index, tag) in tags(&text[first..]).enumerate() {
        match tag {
            Tag::Doctype if start => return true,
            Tag::Open("html" | "body" | "head") if start && index < 3 => return true,
            Tag::Close(name) if is_element(name) => {
                closing += 1;
                if start || closing == MIN_CLOSING_TAGS {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Returns the text of HTML as a browser shows it, without tags, styles and scripts; any other text as it is.
///
/// White space is kept as it is in the source, and tags of blocks become spaces.
#[must_use]
pub fn rendered_text(text: &str) -> Cow<'_, str> {
    if !is_html(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() / 2);
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        push_decoded(&mut shown, &rest[..start]);
        let Some((tag, length)) = parse_tag(&rest[start..]) else {
            shown.push('<');
            rest = &rest[start + 1..];
            continue;
        };
        rest = &rest[start + length..];
        match tag {
            Tag::Open(name) if is_in(&HIDDEN, name) => {
                shown.push(' ');
                rest = after_closing(rest, name);
            }
            Tag::Open(name) | Tag::Close(name) if is_in(&INLINE, name) => {}
            Tag::Comment => {}
            _ => shown.push(' '),
        }
    }
    push_decoded(&mut shown, rest);
    Cow::Owned(shown)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag<'t> {
    Open(&'t str),
    Close(&'t str),
    Comment,
    Doctype,
}

/// The tags of a text, in order.
fn tags(text: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find('<')?..];
            if let Some((tag, length)) = parse_tag(rest) {
                rest = &rest[length..];
                return Some(tag);
            }
            rest = &rest[1..];
        }
    })
}

/// Parses a tag at the start of a text. Returns it with its length; `None` if the text does not start with one.
fn parse_tag(text: &str) -> Option<(Tag<'_>, usize)> {
    /// A longer tag is text with a stray `<`; also keeps the search for its end short.
    const MAX_TAG_BYTES: usize = 64 << 10;
    if let Some(comment) = text.strip_prefix("<!--") {
        return comment.find("-->").map(|end| (Tag::Comment, 4 + end + 3));
    }
    let inner = text.strip_prefix('<')?;
    let end =
        inner.bytes().take(MAX_TAG_BYTES).position(|byte| matches!(byte, b'>' | b'<')).filter(|end| inner.as_bytes()[*end] == b'>')?;
    let inner = &inner[..end];
    if let Some(declaration) = inner.strip_prefix('!') {
        let is_doctype = declaration.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("doctype"));
        return Some((if is_doctype { Tag::Doctype } else { Tag::Comment }, end + 2));
    }
    if inner.starts_with('?') {
        return Some((Tag::Comment, end + 2));
    }
    let (name, is_closing) = match inner.strip_prefix('/') {
        Some(name) => (name, true),
        None => (inner, false),
    };
    let length = name.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let ends = name[length..].is_empty() || name[length..].starts_with(|next: char| next.is_whitespace() || next == '/');
    if !is_name || !ends {
        // elements with a prefix, as `<o:p>` of Word, are tags too
        let is_prefixed = is_name && name[length..].starts_with(':');
        return is_prefixed.then_some((if is_closing { Tag::Close("") } else { Tag::Open("") }, end + 2));
    }
    let name = &name[..length];
    Some((if is_closing { Tag::Close(name) } else { Tag::Open(name) }, end + 2))
}

fn is_in(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_element(name: &str) -> bool {
    is_in(&ELEMENTS, name)
}

/// Returns what follows the closing tag of an element; the text itself if it is not closed.
fn after_closing<'t>(text: &'t str, name: &str) -> &'t str {
    let mut from = 0;
    while let Some(start) = text[from..].find("</") {
        let start = from + start;
        let rest = &text[start + 2..];
        if rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return rest.find('>').map_or("", |end| &rest[end + 1..]);
        }
        from = start + 2;
    }
    text
}

fn push_decoded(shown: &mut String, mut text: &str) {
    while let Some(start) = text.find('&') {
        shown.push_str(&text[..start]);
        text = &text[start..];
        let end = text.bytes().take(MAX_ENTITY_BYTES).position(|byte| byte == b';');
        match end.and_then(|end| Some((decode(&text[1..end])?, end))) {
            Some((character, end)) => {
                shown.push(character);
                text = &text[end + 1..];
            }
            None => {
                shown.push('&');
                text = &text[1..];
            }
        }
    }
    shown.push_str(text);
}

/// The named entities of Latin-1 from U+00A0 on, in the order of their code points.
const LATIN_1: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro \
    para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc \
    Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave \
    aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml \
    divide oslash ugrave uacute ucirc uuml yacute thorn yuml";

/// Decodes an entity, without `&` and `;`.
fn decode(entity: &str) -> Option<char> {
    if let Some(number) = entity.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    let other = match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "bdquo" => '„',
        "hellip" => '…',
        "bull" => '•',
        "euro" => '€',
        "trade" => '™',
        "ensp" | "emsp" | "thinsp" => ' ',
        _ => {
            let index = LATIN_1.split_whitespace().position(|name| name == entity)?;
            return char::from_u32(0xa0 + u32::try_from(index).ok()?);
        }
    };
    Some(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_fragments_are_html_and_other_texts_are_not() {
        for html in [
            "<html><body><p>Lease</p></body></html>",
            "\u{feff}\n<!DOCTYPE html>\n<p>Lease",
            "<?xml version=\"1.0\"?><!-- x --><html xmlns=\"x\"><body>",
            "<p>Lease</p>",
            "<DIV class='a'>Lease</DIV>",
            "Lease of the <b>quay</b>, by <i>Acme</i> and <span>Sons</span>.",
        ] {
            assert!(is_html(html), "{html}");
        }
        for text in [
            "Lease of the quay",
            "Signed by <NAME> on <DATE>, </NAME>",
            "if a < b and c > d then <b>stop</b>",
            "mail to <ana@example.org>",
            "a << b >> c",
            "<",
            "<p",
            "< p >x< /p >",
            "<xml><data>1</data><data>2</data><data>3</data></xml>",
        ] {
            assert!(!is_html(text), "{text}");
        }
    }

    #[test]
    fn the_rendered_text_has_no_tags_styles_and_entities() {
        let words = |html: &str| rendered_text(html).split_whitespace().collect::<Vec<_>>().join(" ");
        let page = "<html><head><title>x</title><style>p > b { color: red }</style></head><body><h1>Lease</h1><p>Land<b>lord</b>: \
                    S&atilde;o Paulo &amp; Sons&#46;</p><script>if (a < b) { c(\"</p>\") }</script><!-- <p>no</p> --><p>Law&nbsp;of Malta.</p></body></html>";
        assert_eq!(words(page), "Lease Landlord: São Paulo & Sons. Law of Malta.");
        assert_eq!(words("<p>a < b &unknown; &#xe9; &#99999999; &</p>"), "a < b &unknown; é &#99999999; &");
        assert_eq!(words("<p class=MsoNormal>one<o:p></o:p>two<br>three</p>"), "one two three");
        assert_eq!(words("<div><style>unclosed</div>"), "unclosed");
        assert!(matches!(rendered_text("no < html"), Cow::Borrowed("no < html")));
        assert_eq!(decode("yuml"), Some('ÿ'));
        assert_eq!(decode("times"), Some('×'));
    }
}
