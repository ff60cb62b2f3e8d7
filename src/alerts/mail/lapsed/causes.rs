//! What is said for each cause: a subject that tells it apart, what happened, and the steps that repair just that.
//!
//! The steps end at the button below them. They ask for nothing that the cause does not need.

use crate::provider::{Cause, Provider};

/// The repair of a grant that only has to be given again.
const ONE_LINK: &str = "One link repairs it, in about two minutes.";

/// The part of the mail that depends on the cause.
pub(super) struct Said {
    pub(super) subject: String,
    pub(super) heading: String,
    /// What the repair takes, in one sentence for the preheader.
    pub(super) effort: &'static str,
    pub(super) happened: Vec<String>,
    pub(super) steps: Vec<String>,
}

pub(super) fn words_for(cause: Cause, provider: Provider, account: &str, company: &str) -> Said {
    let case = Case { provider, title: provider.title(), account, company };
    match cause {
        Cause::Revoked => case.revoked(),
        Cause::InactivityExpired => case.inactivity_expired(),
        Cause::HardCapReached => case.hard_cap_reached(),
        Cause::ReplyLost => case.reply_lost(),
        Cause::Replaced => case.replaced(),
        Cause::PermissionLost => case.permission_lost(),
        Cause::SubscriptionLapsed => case.subscription_lapsed(),
        Cause::PortalDeleted => case.portal_deleted(),
    }
}

struct Case<'a> {
    provider: Provider,
    title: &'static str,
    account: &'a str,
    company: &'a str,
}

impl Case<'_> {
    fn revoked(&self) -> Said {
        let (title, account, company) = (self.title, self.account, self.company);
        let usual = match self.provider {
            Provider::Quickbooks => {
                "This usually happens when somebody disconnects our app in QuickBooks, under Apps. QuickBooks does not \
                 tell us who it was."
            }
            Provider::Hubspot => {
                "This usually happens when somebody uninstalls our app in HubSpot under Connected apps. HubSpot does not \
                 tell us who it was."
            }
        };
        Said {
            subject: format!("Action needed: reconnect {title} for {account}"),
            heading: format!("{title} no longer lets us in"),
            effort: ONE_LINK,
            happened: vec![
                format!("{title} has withdrawn the permission that you gave us for “{company}”. {usual}"),
                format!(
                    "If it was done on purpose, press Disconnect at “{company}” on your page, and we stop writing."
                ),
            ],
            steps: vec![self.press(), self.choose_and_agree()],
        }
    }

    fn inactivity_expired(&self) -> Said {
        let (title, account, company) = (self.title, self.account, self.company);
        let window = match self.provider {
            Provider::Quickbooks => {
                "QuickBooks ends a permission that was not renewed for about 100 days, and for that long we could not \
                 renew yours."
            }
            Provider::Hubspot => "HubSpot ends a permission that was not renewed for too long.",
        };
        Said {
            subject: format!("Action needed: {title} permission for {account} has expired"),
            heading: format!("The {title} permission has expired"),
            effort: ONE_LINK,
            happened: vec![format!(
                "The permission that you gave us for “{company}” has run out. {window} Nobody did anything wrong in \
                 {title}, but only you can give a new permission."
            )],
            steps: vec![self.press(), self.choose_and_agree()],
        }
    }

    fn hard_cap_reached(&self) -> Said {
        let (title, account, company) = (self.title, self.account, self.company);
        let limit = match self.provider {
            Provider::Quickbooks => {
                "Intuit lets every permission live for at most five years, however well it is looked after."
            }
            Provider::Hubspot => "HubSpot lets a permission live only so long, however well it is looked after.",
        };
        Said {
            subject: format!("Action needed: renew {title} for {account} (time limit reached)"),
            heading: format!("It is time to renew the {title} permission"),
            effort: ONE_LINK,
            happened: vec![format!(
                "The permission that you gave us for “{company}” has reached the end of its life. {limit} Nothing is \
                 broken, and reconnecting starts a new full term."
            )],
            steps: vec![self.press(), self.choose_and_agree()],
        }
    }

    fn reply_lost(&self) -> Said {
        let (title, account, company) = (self.title, self.account, self.company);
        Said {
            subject: format!("Action needed: reconnect {title} for {account} (a reply was lost)"),
            heading: format!("The {title} connection broke off"),
            effort: ONE_LINK,
            happened: vec![format!(
                "While we renewed the permission for “{company}”, {title} issued a new key, but its reply never reached \
                 us, and the old key no longer works. It is nobody’s mistake on your side, and we are sorry for the \
                 trouble. We tried again with the old key before writing to you."
            )],
            steps: vec![self.press(), self.choose_and_agree()],
        }
    }

    fn replaced(&self) -> Said {
        let (title, account, company) = (self.title, self.account, self.company);
        Said {
            subject: format!("Action needed: reconnect {title} for {account} (connected a second time)"),
            heading: format!("A newer {title} connection has replaced ours"),
            effort: "Keep one connection, then one link.",
            happened: vec![format!(
                "{title} still lets this app into “{company}”, but the key with which we renew the connection no longer \
                 works: {title} has issued a newer one to somebody else. This happens when the same company is connected \
                 to this app in a second place as well, perhaps in a test system, in a copy of our system, or by a \
                 colleague. {title} has withdrawn nothing."
            )],
            steps: vec![
                format!(
                    "Ask whoever else may have connected “{company}” to this app, and let them stop using it there. Keep \
                     only one such connection, or the two go on replacing each other."
                ),
                self.press(),
                self.choose_and_agree(),
            ],
        }
    }

    fn permission_lost(&self) -> Said {
        let (title, account, company) = (self.title, self.account, self.company);
        let (who, grant) = match self.provider {
            Provider::Quickbooks => (
                "a company admin",
                "Whoever reconnects must be the primary admin or a company admin in QuickBooks (see Settings, Manage \
                 users). If you are not, ask an admin to change your role, or forward this mail to one.",
            ),
            Provider::Hubspot => (
                "a Super Admin",
                "Whoever reconnects must be a Super Admin in HubSpot or have App Marketplace access (see Settings, \
                 Users & Teams). If you are not, ask for that right, or forward this mail to somebody who has it.",
            ),
        };
        Said {
            subject: format!("Action needed: an admin must reconnect {title} for {account}"),
            heading: format!("The person who connected {title} lost their rights"),
            effort: "An admin repairs it with one link.",
            happened: vec![format!(
                "{title} still knows us, but the person who once connected “{company}” may no longer open its data. They \
                 may have left, or their role was changed. It takes {who} to connect it again."
            )],
            steps: vec![
                grant.to_owned(),
                format!("As that admin, press “Reconnect {title}” below and sign in."),
                self.choose_and_agree(),
            ],
        }
    }

    fn subscription_lapsed(&self) -> Said {
        let (title, account, company) = (self.title, self.account, self.company);
        let check = match self.provider {
            Provider::Quickbooks => {
                "Sign in to QuickBooks as an admin, open Settings, Subscriptions and billing, and renew the subscription \
                 or correct the payment."
            }
            Provider::Hubspot => {
                "Sign in to HubSpot as an admin, open Account & Billing, and renew the subscription or correct the payment."
            }
        };
        Said {
            subject: format!("Action needed: the {title} subscription of {account} has ended"),
            heading: format!("The {title} subscription has ended"),
            effort: "First the subscription, then one link.",
            happened: vec![format!(
                "{title} answers that “{company}” has no active subscription. It may have been cancelled, a trial may have \
                 ended, or a payment may have failed. Until it is active again, {title} accepts nothing for this company, \
                 so please take the first step before the second."
            )],
            steps: vec![check.to_owned(), self.press(), self.choose_and_agree()],
        }
    }

    fn portal_deleted(&self) -> Said {
        let (title, account, company) = (self.title, self.account, self.company);
        let (thing, support) = match self.provider {
            Provider::Quickbooks => ("company", "Intuit support"),
            Provider::Hubspot => ("account", "HubSpot support"),
        };
        Said {
            subject: format!("Action needed: {title} no longer finds the {thing} of {account}"),
            heading: format!("The {title} {thing} is gone"),
            effort: "This mail says what can be done.",
            happened: vec![format!(
                "{title} answers that the {thing} “{company}” does not exist any more. It may have been deleted, or merged \
                 into another one."
            )],
            steps: vec![
                format!(
                    "If that was a mistake, ask {support} to restore “{company}”. It cannot be restored from here."
                ),
                format!("Once it is back, press “Reconnect {title}” below, sign in and choose “{company}”."),
                format!(
                    "If you use another {title} {thing} now, press Disconnect at “{company}” on your page, and connect the new \
                     one there. The button below repairs only “{company}”."
                ),
            ],
        }
    }

    fn press(&self) -> String {
        let title = self.title;
        let as_whom = match self.provider {
            Provider::Quickbooks => "the primary admin or a company admin",
            Provider::Hubspot => "a Super Admin, or somebody with App Marketplace access",
        };
        format!("Press “Reconnect {title}” below and sign in as {as_whom}.")
    }

    fn choose_and_agree(&self) -> String {
        let company = self.company;
        match self.provider {
            Provider::Quickbooks => {
                format!("Choose the company “{company}” and press Connect. That is all.")
            }
            Provider::Hubspot => {
                format!("Choose the account “{company}” and press Connect app. That is all.")
            }
        }
    }
}
