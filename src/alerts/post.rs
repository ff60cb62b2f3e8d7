//! One mail over SMTP, stage by stage, so that it is known where it failed.
//!
//! Before the content is sent, a failure means that the server does not have the mail. Afterwards only an answer tells: RFC
//! 5321 (4.5.3.2.6) gives a server ten minutes for it, because it may look for viruses meanwhile. Without that answer the
//! mail was probably taken. This module does not know what is done about a failure.
//!
//! Invariant: whatever is called refused or silent was not taken.

use std::{future::Future, time::Duration};

use lettre::{
    Message,
    address::Envelope,
    transport::smtp::{
        self,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
        response::Response,
    },
};
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::config::{self, SmtpSecurity};

/// How long we wait to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// What the conversation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connecting, encrypting, logging in.
    Session,
    /// Who sends.
    Sender,
    /// Who receives.
    Recipient,
    /// The mail itself.
    Content,
}

/// Why a mail did not go out, or may not have.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("the mail cannot be built: {0}")]
    Build(String),
    #[error("the recipient's address cannot be used: {0}")]
    Address(String),
    #[error("the {} address has characters beyond ASCII before the @, and the SMTP server cannot do that (SMTPUTF8)",
            if *.0 == Stage::Recipient { "recipient's" } else { "sender's" })]
    NeedsUtf8(Stage),
    #[error("the SMTP server did not take it")]
    Refused(Stage, #[source] smtp::Error),
    #[error("the SMTP server said nothing within smtp.timeout")]
    Silent,
    #[error("the SMTP server got the mail and did not say within smtp.answer_timeout whether it took it")]
    Unanswered(#[source] Option<smtp::Error>),
}

impl Failed {
    /// The word in spans.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Build(_) => "unbuildable",
            Self::Address(_) | Self::NeedsUtf8(_) => "unusable_address",
            Self::Refused(..) => "refused",
            Self::Silent => "silent",
            Self::Unanswered(_) => "unanswered",
        }
    }
}

/// The way to the configured server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Post {
    smtp: config::Smtp,
    tls: Option<TlsParameters>,
}

impl Post {
    /// The way; nothing is connected yet.
    ///
    /// # Errors
    /// When the TLS settings cannot be made.
    pub(super) fn new(smtp: &config::Smtp) -> Result<Self, smtp::Error> {
        let tls = match smtp.security {
            SmtpSecurity::None => None,
            SmtpSecurity::StartTls | SmtpSecurity::Tls => Some(TlsParameters::new(smtp.host.clone())?),
        };
        Ok(Self { smtp: smtp.clone(), tls })
    }

    /// Where spans and people find it.
    pub(super) fn at(&self) -> (&str, u16) {
        (&self.smtp.host, self.smtp.port)
    }

    /// How long one mail takes at a server that is not slow with its answer.
    pub(super) fn usual(&self) -> Duration {
        self.smtp.timeout
    }

    /// Whether the server answers and lets us in.
    ///
    /// # Errors
    /// What it says.
    pub(super) async fn probe(&self) -> Result<(), Failed> {
        let ask = async {
            let mut connection = self.connect().await?;
            connection.test_connected().await.then_some(()).ok_or(Failed::Silent)?;
            goodbye(connection).await;
            Ok(())
        };
        timeout(self.smtp.timeout, ask).await.unwrap_or(Err(Failed::Silent))
    }

    /// Sends a mail, and gives what the server answered. Once `hurry` is cancelled, its answer is not waited for as long as
    /// it may take.
    ///
    /// # Errors
    /// It was not taken, or nobody knows.
    pub(super) async fn send(&self, mail: &Message, hurry: &CancellationToken) -> Result<Response, Failed> {
        let content = mail.formatted();
        let until = Instant::now() + self.smtp.timeout;
        let mut connection = in_time(until, self.connect()).await?;
        let announced = in_time(until, announce(&mut connection, mail.envelope(), content.is_ascii())).await;
        let answer = match announced {
            Ok(()) => tokio::select! {
                answer = connection.message(&content) => answer.map_err(|error| match error.status() {
                    Some(_) => Failed::Refused(Stage::Content, error),
                    None => Failed::Unanswered(Some(error)),
                }),
                () = self.patience(hurry) => Err(Failed::Unanswered(None)),
            },
            Err(failed) => Err(failed),
        };
        if !matches!(answer, Err(Failed::Silent | Failed::Unanswered(_))) {
            goodbye(connection).await;
        }
        answer
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failed> {
        let (server, name) = ((self.smtp.host.as_str(), self.smtp.port), ClientId::default());
        let whole = self.tls.clone().filter(|_| self.smtp.security == SmtpSecurity::Tls);
        let open = async {
            let timeout = Some(self.smtp.timeout);
            let mut connection = AsyncSmtpConnection::connect_tokio1(server, timeout, &name, whole, None).await?;
            if let (SmtpSecurity::StartTls, Some(tls)) = (self.smtp.security, &self.tls) {
                connection.starttls(tls.clone(), &name).await?;
            }
            if let (Some(username), Some(password)) = (&self.smtp.username, &self.smtp.password) {
                let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
                connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
            }
            Ok(connection)
        };
        open.await.map_err(|error| Failed::Refused(Stage::Session, error))
    }

    async fn patience(&self, hurry: &CancellationToken) {
        let rest = async {
            hurry.cancelled().await;
            tokio::time::sleep(self.smtp.timeout).await;
        };
        tokio::select! {
            () = tokio::time::sleep(self.smtp.answer_timeout) => (),
            () = rest => (),
        }
    }
}

/// Everything before the content.
async fn announce(connection: &mut AsyncSmtpConnection, route: &Envelope, is_ascii: bool) -> Result<(), Failed> {
    let strange = route.to().iter().any(|to| !to.to_string().is_ascii());
    let mut options = Vec::new();
    // What we write beyond ASCII stands in headers: addresses. Bodies and names are encoded.
    if strange || !is_ascii {
        let server = connection.server_info();
        if !server.supports_feature(Extension::SmtpUtfEight) {
            return Err(Failed::NeedsUtf8(if strange { Stage::Recipient } else { Stage::Sender }));
        }
        options.push(MailParameter::SmtpUtfEight);
        if server.supports_feature(Extension::EightBitMime) {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
    }
    let refused = |stage| move |error| Failed::Refused(stage, error);
    connection.command(Mail::new(route.from().cloned(), options)).await.map_err(refused(Stage::Sender))?;
    for to in route.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(refused(Stage::Recipient))?;
    }
    connection.command(Data).await.map_err(refused(Stage::Content))?;
    Ok(())
}

async fn in_time<T>(until: Instant, work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    timeout_at(until, work).await.unwrap_or(Err(Failed::Silent))
}

/// Ends the conversation; how that goes changes nothing.
async fn goodbye(mut connection: AsyncSmtpConnection) {
    _ = timeout(GOODBYE, connection.abort()).await.is_ok();
}
