//! Reads server-sent events from the bytes of an answer.

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServerEvent {
    /// Its id, to go on from after a broken connection.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// What it says.
    pub(crate) data: String,
}

/// Cuts a stream of bytes into events. Comments are dropped.
#[derive(Debug, Default)]
pub(crate) struct EventParser {
    buffer: Vec<u8>,
    event: ServerEvent,
}

impl EventParser {
    /// Takes in bytes, and gives the events that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<ServerEvent> {
        self.buffer.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if !event.data.is_empty() {
                    events.push(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => value.clone_into(&mut self.event.id),
                "event" => value.clone_into(&mut self.event.name),
                "data" if self.event.data.is_empty() => value.clone_into(&mut self.event.data),
                "data" => {
                    self.event.data.push('\n');
                    self.event.data.push_str(value);
                }
                // a comment, or a field that we do not use
                _ => {}
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_wherever_the_bytes_are_cut() {
        let stream = ": still here\n\nid: 7\nevent: phase\ndata: {\"a\":1}\n\nid: 8\r\nevent: end\r\ndata: x\r\ndata: y\r\n\r\n";
        for cut in 0..stream.len() {
            let mut parser = EventParser::default();
            let mut events = parser.push(&stream.as_bytes()[..cut]);
            events.extend(parser.push(&stream.as_bytes()[cut..]));
            let seen: Vec<(&str, &str, &str)> =
                events.iter().map(|event| (event.id.as_str(), event.name.as_str(), event.data.as_str())).collect();
            assert_eq!(seen, [("7", "phase", "{\"a\":1}"), ("8", "end", "x\ny")], "cut at {cut}");
        }
    }

    #[test]
    fn half_an_event_is_no_event() {
        assert!(EventParser::default().push(b"id: 1\ndata: x\n").is_empty());
    }
}
