//! Texts of documents, and copies of them.

mod addresses;
mod evidence;
mod html;
