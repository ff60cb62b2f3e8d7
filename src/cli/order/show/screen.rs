//! The screen, from facts to lines.

use chrono::SecondsFormat;
use serde_json::Value;

use crate::{
    cli::output,
    explain::{
        moment,
        order::{self as explain, Facts, line},
    },
    store::{attempts::Outcome, order_log::dossier::Order},
    words,
};

/// Everything on one screen; tables as wide as the terminal unless a width is given.
pub(super) fn lines(facts: &Facts, width: Option<u16>) -> Vec<String> {
    let order = &facts.dossier.order;
    let mut lines = vec![
        format!("{} of {}: {}", words::name(&order.name), words::name(&order.account), state(facts)),
        String::new(),
    ];
    lines.extend(about(facts));
    lines.extend([String::new(), "Why".to_owned()]);
    lines.extend(explain::why(facts).iter().map(|line| format!("  {line}")));
    lines.extend([String::new(), "Next".to_owned()]);
    let steps = explain::steps(&facts.dossier, facts.now);
    lines.extend(steps.iter().map(|step| format!("  {}", step.line(facts.now))));
    if facts.dossier.revisions.len() > 1 {
        lines.extend([String::new(), "Revisions of this order (times in UTC)".to_owned(), revisions(facts, width)]);
    }
    lines.extend([String::new(), "Attempts (times in UTC)".to_owned(), attempts(facts, width)]);
    lines.extend([String::new(), "Content".to_owned()]);
    lines.extend(content(order, width));
    let commands = explain::commands(&facts.dossier);
    if !commands.is_empty() {
        lines.extend([String::new(), "Try".to_owned()]);
        lines.extend(commands.iter().map(|command| format!("  {command}")));
    }
    lines
}

fn state(facts: &Facts) -> String {
    let order = &facts.dossier.order;
    let since = order.posted_at.or(order.skipped_at);
    let since = since.map(|at| format!(" since {}", moment(at, facts.now))).unwrap_or_default();
    format!("{}{since}", order.status.as_str().to_uppercase())
}

fn row(label: &str, text: &str) -> String {
    format!("  {label:<11} {text}")
}

fn about(facts: &Facts) -> Vec<String> {
    let (order, now) = (&facts.dossier.order, facts.now);
    let company = facts.dossier.company.as_ref().map_or_else(
        || "none connected".to_owned(),
        |company| {
            let name = words::name(&company.company_name);
            format!("{name} (realm {}, {}): {}", company.company_id, company.environment, company.status.as_str())
        },
    );
    let document = match &order.document_id {
        Some(id) => format!("{}, id {} in QuickBooks", line(&order.document_number), line(id)),
        None => format!("none; its number will be {}", line(&order.document_number)),
    };
    vec![
        row("Order", &format!("{}, id {} at its source", order.id, line(&order.external_id))),
        row("Account", &format!("{} ({})", words::name(&order.account), order.account_id)),
        row("Owner", &format!("{} <{}>", words::name(&order.owner_name), line(&order.owner_email))),
        row("Company", &company),
        row("Total", &money(order.total.map(|total| total.to_string()).as_deref(), order)),
        row("Document", &document),
        row(
            "Came in",
            &format!("{}; changed at its source {}", moment(order.received_at, now), moment(order.modified_at, now)),
        ),
        row("Request id", &order.request_id.to_string()),
    ]
}

fn money(amount: Option<&str>, order: &Order) -> String {
    let currency = order.currency.as_deref().map(|currency| format!(" {}", line(currency))).unwrap_or_default();
    amount.map_or_else(|| "not known".to_owned(), |amount| format!("{}{currency}", line(amount)))
}

fn revisions(facts: &Facts, width: Option<u16>) -> String {
    let headers = ["Came in", "Revision", "Status", "Total", "Document", "Words"];
    let rows = facts.dossier.revisions.iter().map(|revision| {
        let this = if revision.id == facts.dossier.order.id { " (this one)" } else { "" };
        let document = revision.document_id.as_ref().map(|id| format!("{} (id {id})", revision.document_number));
        vec![
            revision.received_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            format!("{}{this}", revision.id),
            revision.status.as_str().to_owned(),
            revision.total.map(|total| total.to_string()).unwrap_or_default(),
            document.map(|document| line(&document)).unwrap_or_default(),
            revision.last_message.as_deref().map(line).unwrap_or_default(),
        ]
    });
    output::grid(&headers, rows.collect(), width)
}

fn attempts(facts: &Facts, width: Option<u16>) -> String {
    let (order, tries) = (&facts.dossier.order, &facts.dossier.attempts);
    if let (Some(at), true) = (order.pruned_at, tries.is_empty()) {
        return format!("  dropped {}, as orders.keep says", moment(at, facts.now));
    }
    if tries.is_empty() {
        return "  none yet".to_owned();
    }
    let headers = ["When", "Outcome", "HTTP", "Code", "Words", "Correlation id", "Daemon", "Took ms"];
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows = tries.iter().map(|attempt| {
        let remedy = attempt.remedy.as_deref().map(|remedy| format!("To do: {}", line(remedy)));
        let words = [attempt.message.as_deref().map(line), remedy].into_iter().flatten().collect::<Vec<_>>();
        vec![
            attempt.started_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            attempt.outcome.map_or("open", Outcome::as_str).to_owned(),
            or_dash(attempt.status.map(|status| status.to_string())),
            or_dash(attempt.code.as_deref().map(line)),
            or_dash(Some(words.join(". ")).filter(|words| !words.is_empty())),
            or_dash(attempt.correlation_id.as_deref().map(line)),
            attempt.daemon.clone(),
            or_dash(attempt.finished_at.map(|at| (at - attempt.started_at).num_milliseconds().max(0).to_string())),
        ]
    });
    let earlier = u64::try_from(order.attempts).unwrap_or(0).saturating_sub(tries.len() as u64);
    let note = match earlier {
        0 => String::new(),
        _ => format!("\n  the latest {}; {} before them", tries.len(), words::number(earlier)),
    };
    output::grid(&headers, rows.collect(), width) + &note
}

/// What the document is made of. It may have been stored by another version, so that nothing in it is taken for granted.
fn content(order: &Order, width: Option<u16>) -> Vec<String> {
    let (content, text) = (&order.content, |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(line(text)).filter(|text| !text.is_empty()),
        other => Some(line(&other.to_string())),
    });
    if order.pruned_at.is_some() {
        return vec!["  dropped, as orders.keep says".to_owned()];
    }
    let customer = &content["customer"];
    let name = [&customer["given_name"], &customer["family_name"]].into_iter().filter_map(text).collect::<Vec<_>>();
    let name = Some(name.join(" ")).filter(|name| !name.is_empty());
    let buyer: Vec<_> = [name, text(&customer["company"]), text(&customer["email"])].into_iter().flatten().collect();
    let at = content["placed_at"].as_str().and_then(|at| at.parse().ok());
    let amount = |name: &str| text(&content[name]).map(|amount| money(Some(&amount), order));
    let mut lines: Vec<String> = [
        ("Buyer", Some(buyer.join(", ")).filter(|buyer| !buyer.is_empty())),
        ("Shop order", text(&content["external_number"])),
        ("Sold", at.map(words::instant).or_else(|| text(&content["placed_on"]))),
        ("Shipping", amount("shipping")),
        ("Tax", amount("tax")),
        ("Discount", amount("discount")),
        ("Paid", content["paid"].as_bool().map(|paid| if paid { "yes" } else { "no" }.to_owned())),
        ("Refunded", amount("refunded")),
        ("Cancelled", (content["cancelled"] == true).then(|| "yes".to_owned())),
    ]
    .into_iter()
    .filter_map(|(label, text)| text.map(|text| row(label, &text)))
    .collect();
    let items = content["lines"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        lines.push("  no lines".to_owned());
        return lines;
    }
    let headers = ["SKU", "Name", "Quantity", "Price", "Amount"];
    let fields = ["sku", "name", "quantity", "price", "amount"];
    let rows = items.iter().map(|item| fields.map(|field| text(&item[field]).unwrap_or_default()).to_vec());
    lines.push(output::grid(&headers, rows.collect(), width));
    lines
}
