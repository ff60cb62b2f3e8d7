//! From a rendered mail to the message on the wire: headers and the two parts.
//!
//! A domain in any script goes out in its ASCII form (IDNA), which every server understands. What stands before the `@` in
//! other letters has no such form: it goes as it is, and only a server that knows SMTPUTF8 takes it.
//!
//! Invariant: a mail's Message-ID is its id in the outbox, so a copy that was handed over just before a crash can be
//! recognised by whoever receives it.

use chrono::{DateTime, Utc};
use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
};
use url::Host;
use uuid::Uuid;

use super::mail::Rendered;

/// What stands on the outside.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// Who sends it.
    pub from: &'a Mailbox,
    /// Who gets it.
    pub to: Mailbox,
    /// Where replies go; the sender when absent.
    pub reply_to: Option<&'a Mailbox>,
    /// Names the mail, however often it is sent.
    pub id: Uuid,
    /// When.
    pub date: DateTime<Utc>,
}

/// Tells out-of-office replies and other robots that nobody wrote this by hand.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Envelope<'_> {
    /// The message.
    ///
    /// # Errors
    /// Why it cannot be built.
    pub fn message(self, rendered: Rendered) -> Result<Message, String> {
        let Rendered { subject, text, html } = rendered;
        let from = portable(self.from);
        let domain = from.email.domain().to_owned();
        let mut builder = Message::builder().from(from).to(portable(&self.to));
        if let Some(reply_to) = self.reply_to {
            builder = builder.reply_to(portable(reply_to));
        }
        builder
            .subject(subject)
            .message_id(Some(format!("<{}@{domain}>", self.id)))
            .date(std::time::SystemTime::from(self.date))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(|error| error.to_string())
    }
}

/// The mailbox with its domain in ASCII.
fn portable(mailbox: &Mailbox) -> Mailbox {
    Mailbox::new(mailbox.name.clone(), ascii_domain(&mailbox.email).unwrap_or_else(|| mailbox.email.clone()))
}

/// The address with its domain in ASCII, where that is another one.
fn ascii_domain(address: &Address) -> Option<Address> {
    match Host::parse(address.domain()) {
        Ok(Host::Domain(domain)) if !address.domain().is_ascii() => Address::new(address.user(), domain).ok(),
        _ => None,
    }
}

/// A server's words without the recipient's address, in either of its forms.
pub(super) fn masked(said: &str, recipient: &str) -> String {
    let said = said.replace(recipient, "the recipient");
    match recipient.parse().ok().and_then(|address| ascii_domain(&address)) {
        Some(form) => said.replace(form.as_ref() as &str, "the recipient"),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(to: Mailbox, reply_to: Option<&Mailbox>) -> String {
        let from = "Lamplighter <lamplighter@lamps.example>".parse().unwrap();
        let date = "2026-11-21T22:30:00Z".parse().unwrap();
        let rendered =
            Rendered {
                subject: "Grüße an Zoë".to_owned(), text: "Hello".to_owned(), html: "<p>Hello</p>".to_owned()
            };
        let envelope = Envelope { from: &from, to, reply_to, id: Uuid::from_u128(7), date };
        String::from_utf8(envelope.message(rendered).unwrap().formatted()).unwrap()
    }

    #[test]
    fn headers_say_who_when_and_that_no_person_wrote_it() {
        let reply_to = "Support <support@lamps.example>".parse().unwrap();
        let mail = sent("Ada <ada@harborbooks.example>".parse().unwrap(), Some(&reply_to));
        for header in [
            "From: Lamplighter <lamplighter@lamps.example>",
            "To: Ada <ada@harborbooks.example>",
            "Reply-To: Support <support@lamps.example>",
            "Message-ID: <00000000-0000-0000-0000-000000000007@lamps.example>",
            "Date: Sat, 21 Nov 2026 22:30:00 +0000",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(mail.lines().any(|line| line.trim_end() == header), "{header}\n{mail}");
        }
    }

    #[test]
    fn names_in_any_script_are_encoded_and_of_addresses_only_the_domain() {
        let name = Some("Zoë Łukasiewicz, Øre".to_owned());
        let mail = sent(Mailbox::new(name, "zoë@büro.example".parse().unwrap()), None);
        assert!(mail.contains("Subject: =?utf-8?b?"), "{mail}");
        assert!(mail.contains("To: =?utf-8?b?"), "{mail}");
        assert!(mail.contains("<zoë@xn--bro-hoa.example>"), "{mail}");
        assert!(!mail.contains("Reply-To"), "{mail}");
        let reply_to = "hilfe@büro.example".parse().unwrap();
        let mail = sent("ada@büro.example".parse().unwrap(), Some(&reply_to));
        assert!(mail.is_ascii(), "any server takes it: {mail}");
        assert!(
            mail.contains("To: ada@xn--bro-hoa.example") && mail.contains("Reply-To: hilfe@xn--bro-hoa."),
            "{mail}"
        );
    }

    #[test]
    fn no_form_of_an_address_is_left_in_a_servers_words() {
        let said = "550 <zoë@xn--bro-hoa.example> (zoë@büro.example) is nobody";
        assert_eq!(masked(said, "zoë@büro.example"), "550 <the recipient> (the recipient) is nobody");
        assert_eq!(masked("550 ada@x.example", "ada@x.example"), "550 the recipient");
    }
}
