//! How times, counts and names are said to people, in mails and on pages alike.
//!
//! Knows nothing of what is said; only of how. Every absolute time carries its zone, and a name that somebody typed
//! comes out as one short line, so it can neither add a header to a mail nor a paragraph to its text.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// The most characters of a name that are shown.
const NAME_LENGTH: usize = 80;

/// A moment as people write it: `21 Nov 2026, 22:30 UTC`.
pub fn instant(at: DateTime<Utc>) -> String {
    at.format("%-d %b %Y, %H:%M UTC").to_string()
}

/// A moment as programs read it, for the `datetime` attribute.
pub fn machine(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// How far `at` is from `now`: `in 42 min`, `3 d ago`, `now`.
pub fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let distance = at - now;
    if distance.abs() < TimeDelta::seconds(1) {
        return "now".to_owned();
    }
    if distance > TimeDelta::zero() { format!("in {}", span(distance)) } else { format!("{} ago", span(distance)) }
}

/// A length of time, rounded down, in the one or two units that matter: `42 min`, `5 h 10 min`, `99 d`, `4 y 11 mo`.
pub fn span(length: TimeDelta) -> String {
    let seconds = length.num_seconds().unsigned_abs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if seconds < 60 {
        format!("{seconds} s")
    } else if minutes < 60 {
        format!("{minutes} min")
    } else if hours < 10 {
        two(hours, "h", minutes % 60, "min")
    } else if hours < 48 {
        format!("{hours} h")
    } else if days < 730 {
        format!("{days} d")
    } else {
        two(days / 365, "y", (days % 365) / 31, "mo")
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

/// A number with its thousands apart: `12,480`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A counted noun that takes an `s`: `no orders`, `1 order`, `12,480 orders`.
pub fn count(n: u64, noun: &str) -> String {
    match n {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{} {noun}s", number(n)),
    }
}

/// The same with a capital at its beginning.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A text in parts, and whether each stood between backticks: those are to be typed as they are.
pub fn typed(text: &str) -> impl Iterator<Item = (bool, &str)> {
    text.split('`').enumerate().map(|(n, part)| (n % 2 == 1, part))
}

/// A name that somebody typed, as one line of at most 80 characters without control or direction marks.
pub fn name(raw: &str) -> String {
    let line = line(raw, NAME_LENGTH);
    if line.is_empty() { "(no name)".to_owned() } else { line }
}

/// Text from elsewhere, such as a provider's message, as one line of at most `longest` characters without control or
/// direction marks.
pub fn line(raw: &str, longest: usize) -> String {
    let visible: String = raw.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| shows(*c)).collect();
    let line = visible.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() <= longest {
        return line;
    }
    let mut short: String = line.chars().take(longest.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

/// False for characters that are not seen but change how their neighbours are read.
fn shows(c: char) -> bool {
    let turns_direction = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns_direction && c != '\u{feff}'
}

/// The particulars of a deed in one line: `role operator, how link`; nothing when there are none.
pub fn particulars(detail: &serde_json::Value) -> String {
    let Some(pairs) = detail.as_object() else { return String::new() };
    let said = pairs.iter().map(|(key, value)| match value.as_str() {
        Some(text) => format!("{key} {text}"),
        None => format!("{key} {value}"),
    });
    said.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_moment_carries_its_zone() {
        let moment = at("2026-11-21T22:30:59Z");
        assert_eq!(instant(moment), "21 Nov 2026, 22:30 UTC");
        assert_eq!(machine(moment), "2026-11-21T22:30:59Z");
    }

    #[test]
    fn a_distance_is_said_in_the_units_that_matter() {
        let now = at("2026-11-21T12:00:00Z");
        let said = |seconds: i64| until(now + TimeDelta::seconds(seconds), now);
        assert_eq!(said(0), "now");
        assert_eq!(said(59), "in 59 s");
        assert_eq!(said(-60), "1 min ago");
        assert_eq!(said(42 * 60 + 59), "in 42 min");
        assert_eq!(said(3600), "in 1 h");
        assert_eq!(said(5400), "in 1 h 30 min");
        assert_eq!(said(10 * 3600 + 1800), "in 10 h");
        assert_eq!(said(-47 * 3600), "47 h ago");
        assert_eq!(said(-3 * 86_400), "3 d ago");
        assert_eq!(said(100 * 86_400), "in 100 d");
        assert_eq!(said(5 * 365 * 86_400), "in 5 y");
        assert_eq!(said(5 * 365 * 86_400 - 1), "in 4 y 11 mo");
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!(count(0, "order"), "no orders");
        assert_eq!(count(1, "order"), "1 order");
        assert_eq!(count(1_234_567, "order"), "1,234,567 orders");
        assert_eq!(number(999), "999");
    }

    #[test]
    fn particulars_are_words_and_not_json() {
        let said = |detail| particulars(&detail);
        assert_eq!(said(serde_json::json!({})), "");
        let detail = serde_json::json!({ "how": "link", "orders": 3, "from": null });
        assert_eq!(said(detail), "from null, how link, orders 3");
    }

    #[test]
    fn a_name_stays_one_short_line() {
        assert_eq!(name("Harbor Books\r\nBcc: all@example.com"), "Harbor Books Bcc: all@example.com");
        assert_eq!(name("a\u{202e}b\u{0}c"), "abc");
        assert_eq!(name(" \t\n"), "(no name)");
        assert_eq!(name(&"x".repeat(500)).chars().count(), NAME_LENGTH);
        assert_eq!(name(&"é".repeat(80)), "é".repeat(80));
    }
}
