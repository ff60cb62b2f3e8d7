//! What each rule means, by what name it is kept as evidence, and what a person is told.

use super::{Call, Surface};
use crate::provider::{Cause, Verdict};

/// The rules that the tables point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    NotConfigured,
    Unsendable,
    NotReached,
    CertificateRefused,
    ReplyLost,
    ReadInterrupted,
    ReplyUnusable,
    ReadUnusable,
    Redirected,
    EndpointMissing,
    Throttled,
    Busy,
    ServerError,
    ServerErrorUnsettled,
    NotTheirWords,
    NotTheirWordsUnsettled,
    Unlisted,
    ClientRefused,
    SettingsRefused,
    GrantDead,
    PortalDeleted,
    CodeRefused,
    TokenUnknown,
    TokenRefused,
    TokenUnsendable,
    Disconnected,
    RightsLost,
    ScopesLost,
    ScopesNotAskedFor,
    SubscriptionLapsed,
    Refused,
}

impl Rule {
    /// The decision.
    pub(super) fn verdict(self) -> Verdict {
        self.row().0
    }

    /// The name stored as evidence.
    pub(super) fn name(self) -> &'static str {
        self.row().1
    }

    #[rustfmt::skip]
    fn row(self) -> (Verdict, &'static str) {
        use Verdict::{Lapsed, OperatorFault, OutcomeUnknown, Rejected, Transient};
        match self {
            Rule::NotConfigured          => (OperatorFault,  "not_configured"),
            Rule::Unsendable             => (OperatorFault,  "unsendable"),
            Rule::NotReached             => (Transient,      "not_reached"),
            Rule::CertificateRefused     => (OperatorFault,  "certificate_refused"),
            Rule::ReplyLost              => (OutcomeUnknown, "reply_lost"),
            Rule::ReadInterrupted        => (Transient,      "read_interrupted"),
            Rule::ReplyUnusable          => (OutcomeUnknown, "reply_unusable"),
            Rule::ReadUnusable           => (Transient,      "read_unusable"),
            Rule::Redirected             => (OperatorFault,  "redirected"),
            Rule::EndpointMissing        => (OperatorFault,  "endpoint_missing"),
            Rule::Throttled              => (Transient,      "throttled"),
            Rule::Busy                   => (Transient,      "busy"),
            Rule::ServerError            => (Transient,      "server_error"),
            Rule::ServerErrorUnsettled   => (OutcomeUnknown, "server_error_unsettled"),
            Rule::NotTheirWords          => (Transient,      "not_their_words"),
            Rule::NotTheirWordsUnsettled => (OutcomeUnknown, "not_their_words_unsettled"),
            Rule::Unlisted               => (Transient,      "unlisted"),
            Rule::ClientRefused          => (OperatorFault,  "client_refused"),
            Rule::SettingsRefused        => (OperatorFault,  "settings_refused"),
            Rule::GrantDead              => (Lapsed(Cause::Revoked), "grant_dead"),
            Rule::PortalDeleted          => (Lapsed(Cause::PortalDeleted), "portal_deleted"),
            Rule::CodeRefused            => (Rejected,       "code_refused"),
            Rule::TokenUnknown           => (Rejected,       "token_unknown"),
            Rule::TokenRefused           => (Verdict::TokenRefused, "token_refused"),
            Rule::TokenUnsendable        => (Verdict::TokenRefused, "token_unsendable"),
            Rule::Disconnected           => (Lapsed(Cause::Revoked), "disconnected"),
            Rule::RightsLost             => (Lapsed(Cause::PermissionLost), "rights_lost"),
            Rule::ScopesLost             => (Lapsed(Cause::PermissionLost), "scopes_lost"),
            Rule::ScopesNotAskedFor      => (OperatorFault,  "scopes_not_asked_for"),
            Rule::SubscriptionLapsed     => (Lapsed(Cause::SubscriptionLapsed), "subscription_lapsed"),
            Rule::Refused                => (Rejected,       "refused"),
        }
    }

    /// What a person is told: what is wrong, where, and what comes next. `said` is the provider's own explanation.
    pub(super) fn words(self, call: Call, said: Option<String>) -> String {
        if let (Rule::Refused, Some(said)) = (self, said) {
            return said;
        }
        self.template()
            .replace("{who}", call.provider.title())
            .replace("{section}", &format!("the [{}] section", call.provider.as_str()))
            .replace("{next}", next_step(call.surface))
    }

    #[rustfmt::skip]
    fn template(self) -> &'static str {
        match self {
            Rule::NotConfigured => "{who} is not configured; add {section} to the configuration and restart",
            Rule::Unsendable =>
                "the request to {who} could not be put together; check the addresses in {section}",
            Rule::NotReached =>
                "no connection to {who}; it is tried again by itself, check network, DNS and proxy if it lasts",
            Rule::CertificateRefused =>
                "the certificate shown for {who} was not accepted; check this machine's clock, its CA certificates and \
                 any proxy that opens TLS",
            Rule::ReplyLost => "{who} got the request but its reply never arrived whole; {next}",
            Rule::ReadInterrupted => "the reply of {who} did not arrive whole; it is tried again by itself",
            Rule::ReplyUnusable => "{who} answered with a success that holds nothing usable; {next}",
            Rule::ReadUnusable =>
                "{who} answered in a form Lamplighter does not know; it is tried again, report it if it lasts",
            Rule::Redirected => "{who}'s address answers with a redirect; correct the addresses in {section}",
            Rule::EndpointMissing =>
                "there is nothing at {who}'s address; check the addresses and the API version in {section}",
            Rule::Throttled => "{who} asks for fewer requests; it is tried again after a pause",
            Rule::Busy => "{who} cannot serve this account right now; it is tried again by itself",
            Rule::ServerError => "{who} has a problem of its own; it is tried again by itself",
            Rule::ServerErrorUnsettled => "{who} had a problem of its own midway; {next}",
            Rule::NotTheirWords =>
                "something other than {who} seems to have answered; it is tried again, check the proxy if it lasts",
            Rule::NotTheirWordsUnsettled => "something other than {who} seems to have answered; {next}",
            Rule::Unlisted => "{who} refused in a way Lamplighter does not know; it is tried again by itself",
            Rule::ClientRefused =>
                "{who} does not accept our client id and secret; check both in {section}, and that they belong to the \
                 configured environment",
            Rule::SettingsRefused =>
                "{who} does not accept our app settings; compare redirect URL and scopes in {section} with the app \
                 registered there",
            Rule::GrantDead => "{who} no longer honours this connection; the owner must reconnect",
            Rule::PortalDeleted => "the {who} portal no longer exists; the owner must connect another one",
            Rule::CodeRefused =>
                "{who} did not accept the authorization code, which works once and for minutes; start the connect again",
            Rule::TokenUnknown => "{who} does not know this token; there is nothing left to do there",
            Rule::TokenRefused => "{who} refused the access token; it is renewed and the call is made again",
            Rule::TokenUnsendable => "the access token from {who} cannot be sent as it is; it is renewed",
            Rule::Disconnected => "{who} says that the app is not connected to this company; the owner must reconnect",
            Rule::RightsLost =>
                "the person who connected {who} lost access to the company; somebody with admin rights must reconnect",
            Rule::ScopesLost =>
                "{who} says that the app lacks rights it needs; the owner must reconnect and agree to all of them",
            Rule::ScopesNotAskedFor =>
                "{who} wants a scope that providers.*.scopes does not ask for; add it there and at the app, then let the \
                 owners reconnect",
            Rule::SubscriptionLapsed =>
                "the company's {who} subscription is not active; the owner must renew it, then reconnect",
            Rule::Refused =>
                "{who} refused the request without saying why; ask its support, with the correlation id",
        }
    }
}

/// What comes next where it is open what happened.
fn next_step(surface: Surface) -> &'static str {
    match surface {
        Surface::Exchange => "start the connect again",
        Surface::Refresh => "the same token is tried again, alone",
        _ => "before anything is sent again it is looked up whether it was done",
    }
}
