//! A delivery status notification (RFC 3464): which mail it is about, and whether that failed for good. It knows nothing of
//! our mails but what their Message-IDs look like.
//!
//! The mail is named by the Message-ID of what is returned with it, by `Original-Envelope-Id`, or by what it says it answers;
//! some servers return nothing, and then only the address is left.

use mail_parser::{HeaderValue, Message, MessageParser, MessagePart, MimeHeaders as _, PartType};
use uuid::Uuid;

/// Why a text is no notification, and what is expected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no delivery status notification (RFC 3464): {0}; pass a whole mail on, with its headers")]
pub struct Unreadable(&'static str);

/// What a notification says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Mails of ours that it may be about.
    pub ids: Vec<Uuid>,
    /// Whether it names the mail that it is about, ours or not.
    named: bool,
    /// What failed for good, if something did.
    pub failure: Option<Failure>,
}

/// A mail that did not arrive and will not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it went.
    pub recipient: Option<String>,
    /// Why it did not arrive.
    pub reason: String,
}

impl Notification {
    /// Reads a whole mail.
    ///
    /// # Errors
    /// It is none, or no notification.
    pub fn read(mail: &[u8]) -> Result<Self, Unreadable> {
        let mail = MessageParser::default().parse(mail).ok_or(Unreadable("it is no mail"))?;
        let status = mail.parts.iter().find(|part| is_status(part)).ok_or(Unreadable("it has no such part"))?;
        let groups = groups(&String::from_utf8_lossy(status.contents()));
        let returned: Vec<String> = mail.parts.iter().filter_map(returned_id).collect();
        let envelope = groups.iter().filter_map(|group| field(group, "original-envelope-id"));
        let answered = texts(mail.in_reply_to()).chain(texts(mail.references()));
        let ids = returned.iter().map(String::as_str).chain(envelope).chain(answered).filter_map(super::mail_id);
        Ok(Self { ids: ids.collect(), named: !returned.is_empty(), failure: groups.iter().find_map(failure) })
    }

    /// Whether nothing but an address is left to find the mail by.
    pub fn names_nothing(&self) -> bool {
        !self.named && self.ids.is_empty()
    }
}

fn is_status(part: &MessagePart<'_>) -> bool {
    part.content_type().is_some_and(|kind| {
        kind.ctype().eq_ignore_ascii_case("message")
            && kind.subtype().is_some_and(|of| {
                of.eq_ignore_ascii_case("delivery-status") || of.eq_ignore_ascii_case("global-delivery-status")
            })
    })
}

/// The Message-ID of a returned mail, or of its returned headers.
fn returned_id(part: &MessagePart<'_>) -> Option<String> {
    let id = |message: &Message<'_>| message.message_id().map(str::to_owned);
    if let PartType::Message(message) = &part.body {
        return id(message);
    }
    let of = part.content_type()?.subtype()?;
    if of.eq_ignore_ascii_case("rfc822-headers") || of.eq_ignore_ascii_case("global-headers") {
        return MessageParser::default().parse_headers(part.contents()).as_ref().and_then(id);
    }
    None
}

fn texts<'a>(value: &'a HeaderValue<'_>) -> impl Iterator<Item = &'a str> {
    let (one, many) = match value {
        HeaderValue::Text(text) => (Some(text.as_ref()), [].as_slice()),
        HeaderValue::TextList(list) => (None, list.as_slice()),
        _ => (None, [].as_slice()),
    };
    one.into_iter().chain(many.iter().map(AsRef::as_ref))
}

/// The fields of one mail or of one of its recipients, names in small letters.
type Group = Vec<(String, String)>;

/// Groups stand apart by an empty line; a field goes on where a line begins with a space.
fn groups(text: &str) -> Vec<Group> {
    let mut groups = vec![Group::new()];
    for line in text.lines() {
        match (line.split_once(':'), groups.last_mut()) {
            _ if line.trim().is_empty() => groups.push(Group::new()),
            (_, Some(group)) if line.starts_with([' ', '\t']) => {
                if let Some((_, value)) = group.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            }
            (Some((name, value)), Some(group)) => {
                group.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
            _ => {}
        }
    }
    groups
}

fn field<'a>(group: &'a Group, name: &str) -> Option<&'a str> {
    group.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
}

fn failure(group: &Group) -> Option<Failure> {
    let action = field(group, "action")?.split_whitespace().next()?;
    if !action.eq_ignore_ascii_case("failed") {
        return None;
    }
    // Where it was forwarded, the original is the one that we wrote to.
    let recipient = field(group, "original-recipient").or_else(|| field(group, "final-recipient")).map(untyped);
    let (status, said) = (field(group, "status").unwrap_or_default(), field(group, "diagnostic-code").map(untyped));
    let reason = match said {
        Some(said) if said.contains(status) => said.to_owned(),
        Some(said) => format!("{said} ({status})"),
        None if status.is_empty() => "no reason was given".to_owned(),
        None => format!("status {status}"),
    };
    Some(Failure { recipient: recipient.filter(|it| it.contains('@')).map(str::to_owned), reason })
}

/// The value without its type, such as `rfc822;` or `smtp;`.
fn untyped(value: &str) -> &str {
    value.split_once(';').map_or(value, |(_, value)| value).trim().trim_start_matches('<').trim_end_matches('>')
}

#[cfg(test)]
mod tests;
