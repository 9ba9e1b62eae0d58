//! Finds the end of a JSON value by brackets and quotes alone.

/// Finds the end of a value whose bytes arrive in chunks.
pub(super) trait JsonScanner {
    /// Returns the number of bytes up to the end of the value, if it ends in this chunk.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize>;
}

/// A string, including its opening quote.
#[derive(Default)]
pub(super) struct StringToken {
    inside: bool,
    escaped: bool,
}

impl JsonScanner for StringToken {
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.escaped {
                self.escaped = false;
            } else if byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                if self.inside {
                    return Some(index + 1);
                }
                self.inside = true;
            }
        }
        None
    }
}

/// An object or array. Whether brackets match in kind is left to the parser.
#[derive(Default)]
pub(super) struct Container {
    depth: usize,
    inside: bool,
    escaped: bool,
}

impl JsonScanner for Container {
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut index = 0;
        while index < bytes.len() {
            if self.escaped {
                self.escaped = false;
                index += 1;
                continue;
            }
            if self.inside {
                // most bytes of a file are in strings, so search instead of stepping
                match bytes[index..].iter().position(|byte| matches!(byte, b'"' | b'\\')) {
                    None => return None,
                    Some(distance) => index += distance,
                }
                if bytes[index] == b'"' {
                    self.inside = false;
                } else {
                    self.escaped = true;
                }
            } else {
                match bytes[index] {
                    b'"' => self.inside = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            return Some(index + 1);
                        }
                    }
                    _ => {}
                }
            }
            index += 1;
        }
        None
    }
}

/// A number, `true`, `false` or `null`: ends at a delimiter.
pub(super) struct Literal;

impl JsonScanner for Literal {
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        bytes.iter().position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'))
    }
}
