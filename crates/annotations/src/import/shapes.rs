//! Finds where an element of an array ends, by brackets and quotes alone.

/// Finds the end of an element in bytes that come piece by piece.
pub(super) trait Shape {
    /// Number of bytes up to the end, when it is among these.
    fn end_in(&mut self, bytes: &[u8]) -> Option<usize>;
}

/// A string; its first quote is part of it.
#[derive(Default)]
pub(super) struct Text {
    inside: bool,
    escaped: bool,
}

impl Shape for Text {
    fn end_in(&mut self, bytes: &[u8]) -> Option<usize> {
        for (place, &byte) in bytes.iter().enumerate() {
            if self.escaped {
                self.escaped = false;
            } else if byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                if self.inside {
                    return Some(place + 1);
                }
                self.inside = true;
            }
        }
        None
    }
}

/// An object or array. Which bracket closes which is left to the parser.
#[derive(Default)]
pub(super) struct Nested {
    depth: usize,
    inside: bool,
    escaped: bool,
}

impl Shape for Nested {
    fn end_in(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut place = 0;
        while place < bytes.len() {
            if self.escaped {
                self.escaped = false;
                place += 1;
                continue;
            }
            if self.inside {
                // most of a file are strings
                match bytes[place..].iter().position(|byte| matches!(byte, b'"' | b'\\')) {
                    None => return None,
                    Some(distance) => place += distance,
                }
                if bytes[place] == b'"' {
                    self.inside = false;
                } else {
                    self.escaped = true;
                }
            } else {
                match bytes[place] {
                    b'"' => self.inside = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            return Some(place + 1);
                        }
                    }
                    _ => {}
                }
            }
            place += 1;
        }
        None
    }
}

/// A number or literal: ends where something else begins.
pub(super) struct Word;

impl Shape for Word {
    fn end_in(&mut self, bytes: &[u8]) -> Option<usize> {
        bytes.iter().position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'))
    }
}
