//! The facts as a screen, within eighty columns. Colour repeats what the words say, and is left out where nobody sees it.

use chrono::{DateTime, Utc};

use super::{
    Facts,
    attention::{Item, Urgency},
};
use crate::{
    cli::output::Paint,
    provider::Provider,
    store::{connections::Status, levels::Tokens},
    words,
};

const WIDTH: usize = 79;

/// All of it.
pub(super) fn screen(facts: &Facts, items: &[Item], paint: Paint) -> String {
    let mut lines = vec![headline(facts, items, paint), daemons(facts, paint)];
    for (urgency, title) in [(Urgency::Act, "Needs you"), (Urgency::Watch, "Sees to itself")] {
        let items: Vec<_> = items.iter().filter(|item| item.urgency == urgency).collect();
        if items.is_empty() {
            continue;
        }
        lines.extend([String::new(), paint.strong(title)]);
        items.into_iter().for_each(|item| lines.extend(attention(item, paint)));
    }
    lines.extend([String::new(), paint.strong("Connections and tokens")]);
    lines.extend(tokens(facts, paint));
    lines.extend([String::new(), paint.strong("Orders")]);
    lines.extend(orders(facts));
    lines.extend([String::new(), paint.strong("Next")]);
    lines.extend(next(facts));
    if let Some(first) = items.iter().find(|item| item.urgency == Urgency::Act) {
        lines.extend([String::new(), format!("Begin with: {}", paint.strong(&first.remedy))]);
    }
    lines.join("\n")
}

fn headline(facts: &Facts, items: &[Item], paint: Paint) -> String {
    let act = items.iter().filter(|item| item.urgency == Urgency::Act).count();
    let (said, painted) = match (act, items.len()) {
        (0, 0) => ("All is well.".to_owned(), paint.good("All is well.")),
        (0, _) => ("Nothing needs you.".to_owned(), paint.good("Nothing needs you.")),
        (1, _) => ("1 thing needs you.".to_owned(), paint.bad("1 thing needs you.")),
        (n, _) => (format!("{n} things need you."), paint.bad(&format!("{n} things need you."))),
    };
    let at = words::instant(facts.now);
    let gap = WIDTH.saturating_sub(said.chars().count() + at.chars().count());
    format!("{painted}{}{}", " ".repeat(gap), paint.quiet(&at))
}

fn daemons(facts: &Facts, paint: Paint) -> String {
    let working: Vec<_> = facts.live.iter().filter(|daemon| daemon.works).collect();
    let Some(first) = working.first() else { return paint.quiet("No daemon works.") };
    let since = words::span(facts.now - first.started_at);
    let text = match working.len() {
        1 => format!("1 daemon works: {} {}, for {since}.", first.host, first.version),
        n => {
            let hosts = working.iter().map(|daemon| daemon.host.as_str()).collect::<Vec<_>>().join(", ");
            format!("{n} daemons work: {hosts}; the first for {since}.")
        }
    };
    paint.quiet(&words::line(&text, WIDTH))
}

fn attention(item: &Item, paint: Paint) -> Vec<String> {
    let mark = match item.urgency {
        Urgency::Act => paint.bad("!"),
        Urgency::Watch => paint.warn("~"),
    };
    let mut lines = Vec::new();
    for (n, line) in wrapped(&item.message, WIDTH - 4).into_iter().enumerate() {
        lines.push(if n == 0 { format!("  {mark} {line}") } else { format!("    {line}") });
    }
    for named in &item.named {
        let lasts = named.lasts.as_deref().unwrap_or("");
        lines.push(format!("      {lasts:<11} {}", words::line(&named.what, WIDTH - 18)));
    }
    lines.push(format!("    {} {}", paint.quiet("->"), item.remedy));
    lines
}

fn tokens(facts: &Facts, paint: Paint) -> Vec<String> {
    let used: Vec<_> = Provider::ALL
        .into_iter()
        .filter(|provider| facts.levels.connections.iter().any(|(used, _, _)| used == provider))
        .collect();
    if used.is_empty() {
        return vec!["  none yet: lamplighter account add NAME, then lamplighter connection link".to_owned()];
    }
    let heads =
        format!("  {:<11}{:>11}{:>10}{:>9}{:>9}   {}", "", "connected", "failing", "lapsed", "due", "next renewal");
    let mut lines = vec![paint.quiet(&heads)];
    for provider in used {
        let count = |status| {
            let found = facts.levels.connections.iter().find(|(p, s, _)| (*p, *s) == (provider, status));
            words::number(found.map_or(0, |(_, _, n)| n.unsigned_abs()))
        };
        let tokens = facts.levels.tokens.iter().find(|tokens| tokens.provider == provider);
        lines.push(format!(
            "  {:<11}{:>11}{:>10}{:>9}{:>9}   {}",
            provider.title(),
            count(Status::Connected),
            count(Status::Failing),
            count(Status::Lapsed),
            words::number(tokens.map_or(0, |tokens| tokens.due.unsigned_abs())),
            renewal(tokens, facts.now)
        ));
    }
    let ending = &facts.ending;
    let number = |n: i64| words::number(n.unsigned_abs());
    lines.push(row(
        "Refresh windows",
        &format!("{} end within 7 d, {} within 30 d", number(ending.windows_7_days), number(ending.windows_30_days)),
    ));
    lines.push(row(
        "Hard caps",
        &format!("{} end within 30 d, {} within 90 d", number(ending.caps_30_days), number(ending.caps_90_days)),
    ));
    lines
}

fn renewal(tokens: Option<&Tokens>, now: DateTime<Utc>) -> String {
    tokens.and_then(|tokens| tokens.renew_at).map_or_else(|| "none planned".to_owned(), |at| words::until(at, now))
}

fn orders(facts: &Facts) -> Vec<String> {
    let day = &facts.day;
    let number = |n: i64| words::number(n.unsigned_abs());
    let mut parts = vec![format!("{} came in", number(day.received)), format!("{} posted", number(day.posted()))];
    for (count, word) in [(day.queued, "waiting"), (day.parked, "parked"), (day.settled, "need none")] {
        if count > 0 {
            parts.push(format!("{} {word}", number(count)));
        }
    }
    let standing = facts.levels.orders.iter().map(|orders| {
        let oldest =
            orders.oldest_at.map(|at| format!(" (oldest: {})", words::span(facts.now - at))).unwrap_or_default();
        let word = if orders.status == crate::store::orders::Status::Queued { "waiting" } else { "parked" };
        format!("{} {word}{oldest}", number(orders.count))
    });
    vec![row("Last 24 h", &parts.join(", ")), row("In all", &standing.collect::<Vec<_>>().join(", "))]
}

fn next(facts: &Facts) -> Vec<String> {
    let earliest = facts.levels.tokens.iter().filter_map(|tokens| Some((tokens.renew_at?, tokens.provider))).min();
    let ends = |nearest: &Option<crate::store::levels::Nearest>| {
        nearest.as_ref().map(|one| {
            let (account, provider) = (words::line(&one.account, 30), one.provider.title());
            format!("{}: {account}, {provider}", words::until(one.ends_at, facts.now))
        })
    };
    let lines = [
        ("Renewal", earliest.map(|(at, provider)| format!("{}: {}", words::until(at, facts.now), provider.title()))),
        ("HubSpot poll", facts.next_poll.map(|at| words::until(at, facts.now))),
        ("Window ends", ends(&facts.levels.window)),
        ("Hard cap ends", ends(&facts.levels.hard_cap)),
    ];
    let lines: Vec<_> = lines.into_iter().filter_map(|(label, text)| Some(row(label, &text?))).collect();
    if lines.is_empty() { vec!["  nothing is planned".to_owned()] } else { lines }
}

fn row(label: &str, text: &str) -> String {
    format!("  {label:<16} {}", words::line(text, WIDTH - 19))
}

/// Words in lines of at most so many characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if let Some(line) = lines.last_mut() {
            let room = line.is_empty() || line.chars().count() + 1 + word.chars().count() <= width;
            if !room {
                lines.push(word.to_owned());
            } else {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
        }
    }
    lines
}
