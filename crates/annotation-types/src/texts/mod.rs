//! What a text is, if it is not the plain text of a document: an address, HTML, or a text in the wrong encoding.

mod address;
mod html;
mod mojibake;

pub use address::describe_address;
pub use html::{HTML_TEXT, is_html, rendered_text};
pub use mojibake::{MOJIBAKE_TEXT, has_mojibake};
