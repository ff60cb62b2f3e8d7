//! The mails that arrived, and whether more are taken.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use mail_parser::{MessageParser, PartType};
use serde::Serialize;

/// One mail that arrived.
#[derive(Clone, Debug, Serialize)]
pub struct Mail {
    /// Counted from 1, never reused.
    pub id: u64,
    /// When it arrived.
    pub at: DateTime<Utc>,
    /// Address in `From`, or the envelope's sender when there is none.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Decoded subject.
    pub subject: String,
    /// The text part; empty when there is none.
    pub text: String,
    /// The HTML part; empty when there is none.
    pub html: String,
    /// Names and values as they were sent.
    pub headers: Vec<(String, String)>,
    /// All of it, as it was sent.
    pub raw: String,
}

/// What SMTP delivered.
#[derive(Default)]
pub(super) struct Mailbox {
    pub(super) mails: Vec<Mail>,
    /// The SMTP code that every recipient is refused with.
    pub(super) refusal: Option<u16>,
    /// Addresses that are refused, each with the SMTP code.
    pub(super) gone: BTreeMap<String, u16>,
    /// How long it takes to say that a mail was kept.
    pub(super) delay: Duration,
    /// Whether addresses beyond ASCII are refused, as by a server without SMTPUTF8.
    pub(super) ascii_only: bool,
    last_id: u64,
}

impl Mailbox {
    /// Keeps a message that came with this envelope.
    pub(super) fn deliver(&mut self, sender: &str, recipients: Vec<String>, raw: &[u8], at: DateTime<Utc>) {
        self.last_id += 1;
        let mut mail = Mail {
            id: self.last_id,
            at,
            from: sender.to_owned(),
            to: recipients,
            subject: String::new(),
            text: String::new(),
            html: String::new(),
            headers: Vec::new(),
            raw: String::from_utf8_lossy(raw).into_owned(),
        };
        if let Some(message) = MessageParser::default().parse(raw) {
            let author = message.from().and_then(|from| from.first()).and_then(|first| first.address());
            mail.from = author.map_or(mail.from, str::to_owned);
            mail.subject = message.subject().unwrap_or_default().to_owned();
            mail.headers =
                message.headers_raw().map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
            for part in &message.parts {
                match &part.body {
                    PartType::Text(text) if mail.text.is_empty() => mail.text = text.to_string(),
                    PartType::Html(html) if mail.html.is_empty() => mail.html = html.to_string(),
                    _ => (),
                }
            }
        }
        self.mails.push(mail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_read() {
        let raw = "From: Lamplighter <lamp@x.io>\r\nTo: ada@x.io\r\nSubject: =?utf-8?Q?Caf=C3=A9?=\r\nMIME-Version: 1.0\r\n\
                   Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n\
                   --b\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n--b--\r\n";
        let mut mailbox = Mailbox::default();
        mailbox.deliver("bounce@x.io", vec!["ada@x.io".to_owned()], raw.as_bytes(), DateTime::UNIX_EPOCH);
        let mail = &mailbox.mails[0];
        assert_eq!((mail.from.as_str(), mail.subject.as_str()), ("lamp@x.io", "Café"));
        assert_eq!((mail.text.trim(), mail.html.trim()), ("plain", "<p>rich</p>"));
        assert!(mail.headers.contains(&("To".to_owned(), "ada@x.io".to_owned())));
    }
}
