//! HubSpot's API: the portal behind a grant, and the orders to carry over.
//!
//! Lamplighter only reads here. A call names the access token; the portal follows from it. Paths carry HubSpot's dated
//! API version from the settings, never from code. What an order means is not known here.

mod crm;
mod records;
mod search;

use secrecy::{ExposeSecret, SecretString};

pub use self::records::{AccountDetails, Batch, Contact, Introspection, LineItem, OrderPage, OrderRecord, Related};
pub use self::search::{MAX_PAGE, Within};
use super::api::Channel;
use super::http::Http;
use super::verdict::{self, Call, Surface};
use super::{Failure, Provider, Settings, oauth};

/// HubSpot's API.
#[derive(Clone, Copy, Debug)]
pub struct Api<'a>(Channel<'a>);

impl<'a> Api<'a> {
    pub(super) fn new(http: &'a Http, settings: &'a Settings) -> Self {
        Self(Channel { http, settings })
    }

    /// The portal that the access token opens.
    pub async fn account_details(&self, access: &SecretString) -> Result<AccountDetails, Failure> {
        let url = self.0.url(&["account-info", &self.0.settings.api_version, "details"]);
        self.0.ask(call("read account details", Surface::Read), access, self.0.get(url), |reply| reply.read()).await
    }

    /// What HubSpot knows of a token. One it does not know is not an error: it comes back inactive.
    pub async fn introspect(&self, token: &SecretString) -> Result<Introspection, Failure> {
        let call = call("introspect", Surface::Introspect);
        let settings = self.0.settings;
        let Some(url) = settings.introspect_url.clone() else {
            return Err(verdict::not_configured(Provider::Hubspot, "introspect"));
        };
        let request = self.0.http.oauth().post(url).form(&[
            ("client_id", settings.client_id.as_str()),
            ("client_secret", settings.client_secret.expose_secret()),
            ("token", token.expose_secret()),
        ]);
        let reply = oauth::send(self.0.http, call, request).await?;
        let failure = || verdict::judge(call, &reply).hushed(token).hushed(&settings.client_secret);
        reply.read().ok_or_else(failure)
    }
}

fn call(operation: &'static str, surface: Surface) -> Call {
    Call { provider: Provider::Hubspot, operation, surface }
}
