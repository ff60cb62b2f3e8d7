//! What each rule means, by what name it is kept as evidence, and what a person is told.

use super::{Call, Surface};
use crate::provider::{Cause, Verdict};
use Verdict::{Lapsed, OperatorFault, OutcomeUnknown, Rejected, TokenRefused, Transient};

/// Makes the rules out of one table: the rule, its verdict, its name, its words.
macro_rules! rules {
    ($($rule:ident => $verdict:expr, $name:literal, $words:literal;)+) => {
        /// The rules that the tables point to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Rule {
            $($rule,)+
        }

        impl Rule {
            /// All of them.
            pub(super) const ALL: &[Rule] = &[$(Rule::$rule,)+];

            fn row(self) -> (Verdict, &'static str, &'static str) {
                match self {
                    $(Rule::$rule => ($verdict, $name, $words),)+
                }
            }
        }
    };
}

rules! {
    NotConfigured => OperatorFault, "not_configured",
        "{who} is not configured; add {section} to the configuration and restart";
    Unsendable => OperatorFault, "unsendable",
        "the request to {who} could not be put together; check the addresses in {section}";
    NotReached => Transient, "not_reached",
        "no connection to {who}; it is tried again by itself, check network, DNS and proxy if it lasts";
    CertificateRefused => OperatorFault, "certificate_refused",
        "the certificate shown for {who} was not accepted; check this machine's clock, its CA certificates and any \
         proxy that opens TLS";
    ReplyLost => OutcomeUnknown, "reply_lost",
        "{who} got the request but its reply never arrived whole; {next}";
    ReadInterrupted => Transient, "read_interrupted",
        "the reply of {who} did not arrive whole; it is tried again by itself";
    ReplyUnusable => OutcomeUnknown, "reply_unusable",
        "{who} answered with a success that holds nothing usable; {next}";
    ReadUnusable => Transient, "read_unusable",
        "{who} answered in a form Lamplighter does not know; it is tried again, report it if it lasts";
    Redirected => OperatorFault, "redirected",
        "{who}'s address answers with a redirect; correct the addresses in {section}";
    EndpointMissing => OperatorFault, "endpoint_missing",
        "there is nothing at {who}'s address; check the addresses and the API version in {section}";
    Throttled => Transient, "throttled",
        "{who} asks for fewer requests; it is tried again after a pause";
    Busy => Transient, "busy",
        "{who} cannot serve this account right now; it is tried again by itself";
    ServerError => Transient, "server_error",
        "{who} has a problem of its own; it is tried again by itself";
    ServerErrorUnsettled => OutcomeUnknown, "server_error_unsettled",
        "{who} had a problem of its own midway; {next}";
    NotTheirWords => Transient, "not_their_words",
        "something other than {who} seems to have answered; it is tried again, check the proxy if it lasts";
    NotTheirWordsUnsettled => OutcomeUnknown, "not_their_words_unsettled",
        "something other than {who} seems to have answered; {next}";
    Unlisted => Transient, "unlisted",
        "{who} refused in a way Lamplighter does not know; it is tried again by itself";
    RequestRefused => Transient, "request_refused",
        "{who} calls our request invalid, as it has done in outages of its own; it is tried again, report it if it \
         lasts";
    ClientRefused => OperatorFault, "client_refused",
        "{who} does not accept our client id and secret; check both in {section}, and that they belong to the \
         configured environment";
    SettingsRefused => OperatorFault, "settings_refused",
        "{who} does not accept our app settings; compare redirect URL and scopes in {section} with the app \
         registered there";
    GrantDead => Lapsed(Cause::Revoked), "grant_dead",
        "{who} no longer honours this connection; the owner must reconnect";
    PortalDeleted => Lapsed(Cause::PortalDeleted), "portal_deleted",
        "the {who} portal no longer exists; the owner must connect another one";
    IntrospectedInactive => Lapsed(Cause::Revoked), "introspected_inactive",
        "{who} calls the refresh token inactive, so it no longer honours this connection; the owner must reconnect";
    CodeRefused => Rejected, "code_refused",
        "{who} did not accept the authorization code, which works once and for minutes; start the connect again";
    TokenUnknown => Rejected, "token_unknown",
        "{who} does not know this token; there is nothing left to do there";
    TokenRefused => TokenRefused, "token_refused",
        "{who} refused the access token; it is renewed and the call is made again";
    TokenUnsendable => TokenRefused, "token_unsendable",
        "the access token from {who} cannot be sent as it is; it is renewed";
    Disconnected => Lapsed(Cause::Revoked), "disconnected",
        "{who} says that the app is not connected to this company; the owner must reconnect";
    RightsLost => Lapsed(Cause::PermissionLost), "rights_lost",
        "the person who connected {who} lost access to the company; somebody with admin rights must reconnect";
    ScopesLost => Lapsed(Cause::PermissionLost), "scopes_lost",
        "{who} says that the app lacks rights it needs; the owner must reconnect and agree to all of them";
    ScopesNotAskedFor => OperatorFault, "scopes_not_asked_for",
        "{who} wants a scope that providers.*.scopes does not ask for, or does not say which; compare its list \
         with what the app needs, then let the owners reconnect";
    SubscriptionLapsed => Lapsed(Cause::SubscriptionLapsed), "subscription_lapsed",
        "the company's {who} subscription is not active; the owner must renew it, then reconnect";
    Refused => Rejected, "refused",
        "{who} refused the request without saying why; ask its support, with the correlation id";
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

    /// The rule of a stored name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }

    /// What a person is told: what is wrong, where, and what comes next. `said` is the provider's own explanation.
    pub(super) fn words(self, call: Call, said: Option<String>) -> String {
        if let (Rule::Refused, Some(said)) = (self, said) {
            return said;
        }
        let words = self
            .row()
            .2
            .replace("{who}", call.provider.title())
            .replace("{section}", &format!("the [providers.{}] section", call.provider.as_str()))
            .replace("{next}", next_step(call.surface));
        match call.surface {
            // A person asked for this one, and nobody else repeats it.
            Surface::Revoke => words
                .replace("it is tried again by itself", "try it again")
                .replace("it is tried again", "try it again"),
            _ => words,
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
