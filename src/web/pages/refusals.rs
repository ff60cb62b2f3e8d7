//! What a person reads when there is nothing to connect: a link that does not work, a page that is not there, a fault
//! of ours.

use super::{MessagePage, Tone};
use crate::provider::Provider;

impl MessagePage {
    /// A link that was good once, below `/connect/` or `/owner/`.
    pub fn link_expired(link: &str) -> Self {
        Self::new(Tone::Warn, "Link has run out", "This link has run out")
            .says("Our links are good for some days only, and this one is older. Nothing is wrong with your account.")
            .asks("Press the button below: we mail a fresh link to the address that we have for your account.")
            .asks("If nothing arrives, that address may be an old one: ask the people who run this integration.")
            .mails_link(Some(link))
    }

    /// Somebody asked for a fresh link. Says the same whatever became of it, so that nobody learns anything by asking.
    pub fn link_asked_for() -> Self {
        Self::new(Tone::Quiet, "Look into your mail", "Look into your mail")
            .says(
                "If the link was one of ours, a fresh one is on its way to the address that we have for that account, and to \
                 no other. We send one an hour at most.",
            )
            .asks("Wait some minutes, and look into the folder for junk too.")
            .asks("If nothing arrives, that address may be an old one: ask the people who run this integration.")
    }

    /// A reconnect link that we never issued, or that was cut short on its way.
    pub fn link_invalid() -> Self {
        Self::new(Tone::Bad, "Link not recognised", "We do not recognise this link")
            .says("The address is not one that we issued, or a part of it was lost on its way. Nothing was changed.")
            .asks("Press the button in the mail itself, or copy the whole address: it is longer than one line.")
            .asks("If it still does not work, ask the people who run this integration for a new link.")
    }

    /// A link that was made void before its time.
    pub fn link_revoked() -> Self {
        Self::new(Tone::Warn, "Link revoked", "This link is not valid any more")
            .says("Somebody who runs this integration has made it void. Nothing was changed.")
            .asks("Look for a newer mail from us: it carries a newer link.")
            .asks("If there is none, ask the people who run this integration for a new link.")
    }

    /// The operator has not set this provider up.
    pub fn not_configured(provider: Provider) -> Self {
        let title = provider.title();
        Self::new(Tone::Bad, "Not set up", format!("{title} is not set up here"))
            .says(format!(
                "This deployment has no client id and secret for {title}, so nobody can connect it yet. Nothing was changed."
            ))
            .asks("If you came from a mail, tell the people who run this integration.")
            .asks(format!(
                "If you run it: set providers.{provider}.client_id and providers.{provider}.client_secret, restart the \
                 daemon, then run lamplighter doctor."
            ))
    }

    /// No such page.
    pub fn not_found() -> Self {
        Self::new(Tone::Warn, "Not found", "There is nothing here")
            .says("The address leads to no page. It may be mistyped, or what it showed is gone.")
            .asks("If you came from a mail, press the button in the mail itself or copy the whole address.")
            .asks("If you run this integration, the dashboard is the way back in.")
    }

    /// A form came from nobody in particular.
    pub fn signed_out() -> Self {
        Self::new(Tone::Warn, "Signed out", "You are not signed in any more")
            .says("Nothing was changed.")
            .asks("Sign in, and do it again.")
            .offers("Sign in", Some("/sign-in"))
    }

    /// A viewer wants to act.
    pub fn may_only_look() -> Self {
        Self::new(Tone::Warn, "Not allowed", "You may look, but not act")
            .says("Your role is viewer. Nothing was changed.")
            .asks("Ask somebody with a shell to run: lamplighter operator role NAME operator.")
    }

    /// A form that cannot be read.
    pub fn form_unread() -> Self {
        Self::new(Tone::Bad, "Not understood", "We could not read this form")
            .says("Something in it is missing or no form of ours. Nothing was changed.")
            .asks("Go back, reload the page and fill in the form again.")
    }

    /// A form without proof that it is ours, or an old one.
    pub fn form_refused() -> Self {
        Self::new(Tone::Bad, "Refused", "This form did not come from here")
            .says("It was open for too long, or another site sent it in your name. Nothing was changed.")
            .asks("Open the page here, and do it again.")
    }

    /// A fault of ours.
    pub fn internal(reference: &str) -> Self {
        Self::new(Tone::Bad, "Something went wrong", "Something went wrong on our side")
            .says("It is not your fault. What we already hold is safe, and no order is lost.")
            .asks("Wait a minute, then open the link that you were given once more.")
            .asks("If it fails again, ask for help and name the reference below: it finds the fault in our log.")
            .refers(Some(reference))
    }

    /// Our database is away, or we are about to stop.
    pub fn unavailable() -> Self {
        Self::new(Tone::Warn, "Back in a moment", "We are not ready just now")
            .says("The service is starting, stopping or cannot reach its database. What we hold is safe, and no order is lost.")
            .asks("Wait a minute, then reload this page.")
            .asks("If you run this integration: lamplighter doctor says what is missing.")
    }
}
