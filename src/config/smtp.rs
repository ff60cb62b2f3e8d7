//! The mail server.

use std::time::Duration;

use lettre::message::Mailbox;
use secrecy::SecretString;

use super::{
    problem::Fault,
    reader::{Section, gather},
};

/// `[smtp]`.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// Host name of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub security: SmtpSecurity,
    /// Login name; set exactly when `password` is.
    pub username: Option<String>,
    /// Password of `username`.
    pub password: Option<SecretString>,
    /// Sender of every mail.
    pub from: Mailbox,
    /// Deadline of one delivery, but for the answer to the mail itself.
    pub timeout: Duration,
    /// How long the server may take to say that it took a mail.
    pub answer_timeout: Duration,
}

/// How a connection to the mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// Not at all.
    None,
    /// Begun in the clear, then upgraded; refused when the server cannot.
    StartTls,
    /// From the first byte.
    Tls,
}

impl Smtp {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let security = [("none", SmtpSecurity::None), ("starttls", SmtpSecurity::StartTls), ("tls", SmtpSecurity::Tls)];
        let smtp = gather!(Smtp {
            host: section.text("host"),
            port: section.integer("port", 1..=u16::MAX),
            security: section.choice("security", &security),
            username: section.optional_text("username"),
            password: section.secret("password"),
            from: section.mailbox("from"),
            timeout: section.duration("timeout", Duration::from_secs(1)..=Duration::from_mins(10)),
            answer_timeout: section.duration("answer_timeout", Duration::from_secs(1)..=Duration::from_mins(60)),
        });
        section.both_or_none(("username", smtp.username.is_some()), ("password", smtp.password.is_some()));
        if smtp.security == SmtpSecurity::None && smtp.password.is_some() {
            section.reader().warn("smtp.security is \"none\": smtp.password travels unencrypted".to_owned());
        }
        Some(smtp)
    }
}

impl Section<'_> {
    /// Notes a problem when a name is set without its secret, or the other way round.
    pub(super) fn both_or_none(&mut self, name: (&str, bool), secret: (&str, bool)) {
        let (name_key, secret_key) = (self.key(name.0), self.key(secret.0));
        match (name.1, secret.1) {
            (true, false) => {
                let message = format!("is not set, but {name_key} is ({})", self.reader().place(&name_key).origin());
                let remedy = format!("set {secret_key}_file to a file that holds it");
                self.reader().missing(&secret_key, Fault::new(message, remedy));
            }
            (false, true) => {
                let message = format!("is not set, but {secret_key} is");
                let remedy = format!("set {} too, or take the secret out", name.0);
                self.reader().missing(&name_key, Fault::new(message, remedy));
            }
            _ => {}
        }
    }
}
