//! To the owner: the permission was renewed in time.

use chrono::{DateTime, Utc};

use super::{
    OwnersPage, Rendered,
    letter::{Letter, Section, Tone, owners_footer},
};
use crate::{provider::Provider, words};

/// The thanks that close what a [`super::RunningOut`] opened.
#[derive(Clone, Copy, Debug)]
pub struct RunningOutResolved<'a> {
    /// The account's name.
    pub account: &'a str,
    /// Whom the mail greets.
    pub owner_name: &'a str,
    /// Where the permission is.
    pub provider: Provider,
    /// The company or portal, as the provider names it.
    pub company: &'a str,
    /// When we learned of the new permission.
    pub renewed_at: DateTime<Utc>,
    /// When the new one ends, if the provider says so.
    pub ends_at: Option<DateTime<Utc>>,
    /// Where the owner can ask for help.
    pub support_contact: Option<&'a str>,
    /// The owner's own page.
    pub page: OwnersPage<'a>,
}

impl RunningOutResolved<'_> {
    /// The mail in both its parts.
    pub fn render(&self) -> Result<Rendered, askama::Error> {
        let (title, account, company) = (self.provider.title(), words::name(self.account), words::name(self.company));
        let mut facts = vec![("Account", account.clone()), ("Renewed", words::instant(self.renewed_at))];
        let holds = match self.ends_at {
            Some(end) => {
                facts.push(("Holds until", words::instant(end)));
                format!("The new permission holds until {}.", words::instant(end))
            }
            None => "The new permission starts a full term.".to_owned(),
        };
        let footer = owners_footer(self.account, self.support_contact);
        Letter {
            subject: format!("All clear: the {title} permission for {company} is renewed"),
            preheader: format!("{holds} There is nothing left to do."),
            tone: Tone::Good,
            heading: format!("The {title} permission is renewed"),
            greeting: Some(format!("Hello {},", words::name(self.owner_name))),
            opening: vec![format!("Thank you. “{company}” in {title} was renewed in time. {holds}")],
            meaning: None,
            steps: Vec::new(),
            button: None,
            next: Some(Section::new(
                "What happens next, by itself",
                ["There is nothing left to do; no order had to wait for it. You need none of our earlier mails about this \
                  any more, and we write again well before the new end."
                    .to_owned()],
            )),
            facts,
            footer,
        }
        .render_with(self.page)
    }
}
