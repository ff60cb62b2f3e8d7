//! One order a line, as JSON.

use std::io::{BufRead, Read as _};

use anyhow::Context as _;

use super::Piece;
use crate::{
    clock::Clock,
    orders::incoming::{self, Refused},
};

/// No order is longer; the rest of such a line is skipped.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;

/// The lines of a file.
pub(super) struct JsonLines {
    reader: Box<dyn BufRead>,
    source: String,
    clock: Clock,
    line: u64,
}

impl JsonLines {
    pub(super) fn new(reader: Box<dyn BufRead>, source: String, clock: Clock) -> Self {
        Self { reader, source, clock, line: 0 }
    }

    fn next_line(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let at = self.line + 1;
        let context = || format!("line {at} cannot be read");
        let read = self.reader.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut bytes).with_context(context)?;
        if read == 0 {
            return Ok(None);
        }
        self.line = at;
        if bytes.len() as u64 > LONGEST_LINE && !bytes.ends_with(b"\n") {
            self.reader.skip_until(b'\n').with_context(context)?;
        }
        Ok(Some(bytes))
    }

    fn piece(&self, bytes: &[u8]) -> Piece {
        let refused = |message: &str, remedy: &str| Refused {
            field: "order".to_owned(),
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        };
        let order = match std::str::from_utf8(bytes) {
            _ if bytes.len() as u64 > LONGEST_LINE => {
                Err((None, refused("the line is longer than 4 MiB", "split the order")))
            }
            Err(_) => Err((None, refused("the line is not UTF-8", "save the file as UTF-8"))),
            Ok(text) => incoming::read(text.trim(), &self.source, self.clock.now())
                .map_err(|refused| (incoming::claimed_id(text), refused)),
        };
        Piece { line: self.line, order }
    }
}

impl Iterator for JsonLines {
    type Item = anyhow::Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_line() {
                Err(cause) => return Some(Err(cause)),
                Ok(None) => return None,
                Ok(Some(bytes)) if bytes.iter().all(u8::is_ascii_whitespace) => {}
                Ok(Some(bytes)) => return Some(Ok(self.piece(&bytes))),
            }
        }
    }
}
