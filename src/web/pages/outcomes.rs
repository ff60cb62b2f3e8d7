//! What the owner reads when a connect comes back from a provider.
//!
//! Every page that did not end well says that nothing was changed, because that is what the reader fears.

use super::{MessagePage, Tone};
use crate::{
    provider::{Provider, Verdict},
    words,
};

impl MessagePage {
    /// On the way to a provider, from a form that may not lead there itself.
    pub fn off_to(provider: Provider, url: &str) -> Self {
        let title = provider.title();
        Self::new(Tone::Good, "One moment", format!("Off to {title}"))
            .says(format!("{title} asks for the permission next. If nothing happens, go there yourself."))
            .offers(format!("Go to {title}"), Some(url))
    }

    /// It worked. `other_missing` is the account's other provider, when that is not connected yet, and where to do so.
    pub fn connected(
        provider: Provider,
        company: &str,
        account: &str,
        waiting_orders: u64,
        other_missing: Option<(Provider, &str)>,
    ) -> Self {
        let title = provider.title();
        let page = Self::new(Tone::Good, "Connected", format!("{title} is connected")).says(format!(
            "“{}” in {title} is now connected for {}.",
            words::name(company),
            words::name(account)
        ));
        if let Some((other, url)) = other_missing {
            let other = other.title();
            let waiting = match waiting_orders {
                0 => "Orders flow as soon as both are connected.".to_owned(),
                1 => "1 order waits until both are connected; it is not lost.".to_owned(),
                n => format!("{} wait until both are connected; none is lost.", words::count(n, "order")),
            };
            return page
                .says(format!("One step is left: {other}. {waiting}"))
                .offers(format!("Connect {other}"), Some(url));
        }
        let flowing = match waiting_orders {
            0 => "No order had to wait. New ones flow by themselves.".to_owned(),
            1 => "The order that waited is on its way now; it arrives once.".to_owned(),
            n => format!("The {} that waited are on their way now; each arrives once.", words::count(n, "order")),
        };
        page.says(flowing).says("There is nothing more to do. You can close this page.")
    }

    /// The owner, or the provider on their behalf, said no.
    pub fn denied(provider: Provider, restart_url: Option<&str>) -> Self {
        let title = provider.title();
        let rights = match provider {
            Provider::Quickbooks => "the primary admin or a company admin",
            Provider::Hubspot => "a Super Admin, or somebody with App Marketplace access",
        };
        Self::new(Tone::Warn, "Not connected", format!("{title} was not connected"))
            .says(format!(
                "{title} tells us that the permission was not given. Nothing was changed, and no order is lost: they wait."
            ))
            .asks("If you pressed Cancel by mistake, start again and agree at the end.")
            .asks(format!("If {title} would not let you agree, you lack the right: it takes {rights}."))
            .asks("If you meant to say no, close this page.")
            .offers("Start again", restart_url)
    }

    /// The attempt was begun too long ago.
    pub fn expired(provider: Provider, restart_url: Option<&str>) -> Self {
        let title = provider.title();
        let page = Self::new(Tone::Warn, "Took too long", "That took a little too long").says(format!(
            "For your safety an attempt to connect {title} is only good for a few minutes, and this one has run out. Nothing \
             was changed."
        ));
        match restart_url {
            Some(_) => page.asks("Start again, and finish at the provider without a long pause."),
            None => page.asks("Open the link that you were given once more, and finish without a long pause."),
        }
        .offers("Start again", restart_url)
    }

    /// The provider's answer was already used, say by a reload or the Back button.
    pub fn replayed(provider: Provider) -> Self {
        let title = provider.title();
        Self::new(Tone::Warn, "Already used", "This answer was already used")
            .says(format!(
                "The answer from {title} counts once, and it was used before: most often because the page was reloaded or \
                 opened with the Back button. This second time changed nothing."
            ))
            .asks(format!("If the first page said that {title} is connected, all is well: close this page."))
            .asks("If it did not, open the link that you were given once more and start again.")
    }

    /// The answer does not belong to an attempt that this browser began.
    pub fn forged() -> Self {
        Self::new(Tone::Bad, "Not accepted", "We could not tell that this was you")
            .says(
                "The answer does not belong to an attempt that was begun in this browser, so we did not accept it. Nothing \
                 was changed.",
            )
            .asks("If you began in another browser or on another device, go on there.")
            .asks("If you began here, allow cookies for this site, open the link that you were given and start again.")
            .asks("If you began nothing, close this page. Somebody may have sent you here to connect their own company.")
    }

    /// Another company was chosen than the one being repaired.
    pub fn wrong_company(provider: Provider, expected: &str, got: &str, restart_url: Option<&str>) -> Self {
        let title = provider.title();
        let (expected, got) = (words::name(expected), words::name(got));
        Self::new(Tone::Bad, "Another company", format!("That was another {title} company"))
            .says(format!(
                "You chose “{got}”, but this link repairs “{expected}”. So that no order ends up in the wrong books, we kept \
                 neither the choice nor its permission, and nothing was changed."
            ))
            .asks(format!(
                "To repair “{expected}”, start again and choose it at {title}. If it is not offered, sign in there as \
                 somebody who may manage it."
            ))
            .asks(format!(
                "To connect “{got}” instead, open your page, press Disconnect at “{expected}” there, and then connect \
                 “{got}”. What waits goes on waiting meanwhile; none is lost."
            ))
            .asks("Our mails to you end with the link to your page. If you have none at hand, we mail you a fresh one.")
            .offers("Start again", restart_url)
            .mails_link(restart_url)
    }

    /// The company is already connected for another account.
    pub fn company_taken(provider: Provider, company: &str) -> Self {
        let title = provider.title();
        let company = words::name(company);
        Self::new(Tone::Bad, "Already connected elsewhere", format!("“{company}” is connected elsewhere"))
            .says(format!(
                "“{company}” in {title} already belongs to another account here, and a company can belong to one account \
                 only. Its present connection goes on as before, and nothing was changed."
            ))
            .asks(format!("If you chose it by mistake, start again and choose another {title} company."))
            .asks("If it should move to this account, ask the people who run this integration to move it.")
    }

    /// The answer came from another provider than the one that was asked.
    pub fn different_provider_reply(asked: Provider, answered: Provider) -> Self {
        let (asked, answered) = (asked.title(), answered.title());
        Self::new(Tone::Bad, "Mixed-up answer", "The answer came from the wrong place")
            .says(format!(
                "We sent you to {asked}, but the answer came back on the address for {answered}. We did not accept it, and \
                 nothing was changed."
            ))
            .asks("Open the link that you were given once more and start again.")
            .asks(format!(
                "If it happens again, tell the people who run this integration: the redirect addresses of {asked} and \
                 {answered} may be swapped."
            ))
    }

    /// The owner agreed, but the provider would not turn the agreement into a token.
    pub fn exchange_failed(
        provider: Provider,
        verdict: Verdict,
        restart_url: Option<&str>,
        reference: Option<&str>,
    ) -> Self {
        let title = provider.title();
        let page = Self::new(Tone::Bad, "Not connected", format!("{title} could not be connected"));
        let page = match verdict {
            Verdict::Transient | Verdict::OutcomeUnknown => page
                .says(format!(
                    "You agreed, but {title} did not answer us properly just then. It is not your fault, and no order is lost."
                ))
                .asks("Wait a few minutes, then start again. Reloading this page does not help."),
            Verdict::OperatorFault => page
                .says(format!(
                    "You agreed, but {title} does not accept our own setup. It is not your fault, and no order is lost. The \
                     people who run this integration have to repair it first."
                ))
                .asks("Wait until they have repaired it, then open the link that you were given once more."),
            Verdict::Lapsed(_) | Verdict::TokenRefused | Verdict::Rejected => page
                .says(format!(
                    "You agreed, but {title} no longer honoured the agreement when we used it: it is good once, and for a few \
                     minutes. No order is lost."
                ))
                .asks("Start again, and finish without reloading or going back."),
        };
        let again = if verdict == Verdict::OperatorFault { None } else { restart_url };
        page.asks("If it fails again, ask for help and name the reference on this page, if there is one.")
            .offers("Start again", again)
            .refers(reference)
    }
}
