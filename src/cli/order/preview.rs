//! `lamplighter order preview`: the exact document that would be sent for an order. Nothing is sent, and nothing written.

use anyhow::Context as _;
use clap::Args;

use super::naming::{ORDER, named};
use crate::{
    cli::{DONE, UNHEALTHY, output, with_app},
    config::Config,
    orders::{
        drafting::{Referred, State},
        mapping::{Draft, Unmappable},
        preview::{Outcome, Preview, Previewer, Sheet},
    },
    store::{
        mappings::{self, Shown},
        orders::Status,
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[arg(help = ORDER)]
    order: String,
    /// Print the exact body that would be sent, as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(in crate::cli) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        with_app(config, async |app| {
            let order = {
                let mut conn = app.pool.acquire().await?;
                let found = named(&mut conn, &self.order).await?;
                mappings::shown(&mut conn, found.id).await?.context("the order is gone: see `lamplighter order list`")?
            };
            let previewer = Previewer {
                pool: &app.pool,
                keeper: &app.keeper,
                providers: &app.web.providers,
                defaults: &config.orders.mapping,
            };
            let preview = previewer.run(&order).await?;
            match (&preview.outcome, self.json) {
                (Outcome::Document(sheet), true) => output::json(&sheet.body)?,
                (Outcome::Document(sheet), false) => show(&order, &preview, sheet),
                (Outcome::Parked(wrong), true) => output::json(&serde_json::json!({ "parked": wrong }))?,
                (Outcome::Parked(wrong), false) => park(&order, &preview, wrong),
                (Outcome::Cancelled, true) => output::json(&serde_json::json!({ "cancelled": true }))?,
                (Outcome::Cancelled, false) => {
                    head(&order, &preview);
                    output::say("It is cancelled: it becomes no document, and the setting on_cancel says what happens to one that it has.");
                }
            }
            Ok(if matches!(preview.outcome, Outcome::Parked(_)) { UNHEALTHY } else { DONE })
        })
        .await
    }
}

fn show(order: &Shown, preview: &Preview, sheet: &Sheet) {
    let draft = &sheet.draft;
    let kind = draft.document.title();
    head(order, preview);
    let lead = match order.status {
        Status::Posted => "It has its document; by today's settings it would be this",
        _ => "It would become this",
    };
    output::say(&format!("{lead} {kind}:"));
    let day = |day: Option<chrono::NaiveDate>| {
        day.map_or_else(|| "none: QuickBooks takes today".to_owned(), |d| d.to_string())
    };
    let mut rows = vec![("Number", draft.number.clone()), ("Date", day(draft.date))];
    if draft.due.is_some() {
        rows.push(("Due", day(draft.due)));
    }
    rows.push(("Customer", draft.buyer.as_ref().map_or_else(|| "nobody".to_owned(), |buyer| buyer.name.clone())));
    rows.extend(draft.email.clone().map(|email| ("Email", email)));
    rows.push(("Currency", draft.currency.clone().unwrap_or_else(|| "the company's own".to_owned())));
    rows.push(("Note", draft.note.clone()));
    for (name, value) in rows {
        output::say(&format!("  {name:<9} {value}"));
    }
    output::table(&["Item", "Quantity", "Price", "Amount", "Description"], lines(draft), "");
    output::say("Refers to:");
    for one in &sheet.references {
        output::say(&format!("  {:<9} {}: {}", one.what, one.name, state(one)));
    }
}

fn head(order: &Shown, preview: &Preview) {
    output::say(&format!(
        "Order {} of {} (id {}), {}.",
        order.name,
        order.account,
        order.external_id,
        order.status.as_str()
    ));
    if let Some(why) = &preview.unasked {
        output::say(&format!("QuickBooks was not asked ({why}): names are looked up in what is remembered."));
    }
}

fn park(order: &Shown, preview: &Preview, wrong: &Unmappable) {
    head(order, preview);
    output::say(&format!("It would be parked: {}.", wrong.message));
    output::say(&format!("To do: {}.", wrong.remedy));
}

fn lines(draft: &Draft) -> Vec<Vec<String>> {
    let mut rows: Vec<_> = draft
        .lines
        .iter()
        .map(|line| {
            let (quantity, price) = match line.quantity_and_price {
                Some((quantity, price)) => (quantity.to_string(), price.to_string()),
                None => (String::new(), String::new()),
            };
            vec![line.item.name.clone(), quantity, price, line.amount.to_string(), line.description.clone()]
        })
        .collect();
    let mut extra = |name: &str, amount: String| {
        rows.push(vec![name.to_owned(), String::new(), String::new(), amount, String::new()]);
    };
    if let Some(discount) = draft.discount {
        extra("(discount)", format!("-{discount}"));
    }
    if let Some(tax) = draft.tax {
        extra("(tax)", tax.to_string());
    }
    extra("Total", draft.total.to_string());
    rows
}

fn state(one: &Referred) -> String {
    let id = one.id.as_deref().unwrap_or_default();
    match one.state {
        State::Remembered => format!("remembered as id {id}"),
        State::Found => format!("found in QuickBooks, id {id}"),
        State::New => "not in QuickBooks: would be created".to_owned(),
        State::NotAsked => "not remembered: looked for when the order is posted".to_owned(),
    }
}
