//! What commands print: words for people, JSON for scripts. A reader that went away (`| head`) is not an error.

use std::io::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

/// A line for a person.
pub(super) fn say(text: &str) {
    _ = writeln!(std::io::stdout(), "{text}").is_ok();
}

/// A line about what went wrong.
pub(super) fn complain(text: &str) {
    _ = writeln!(std::io::stderr(), "{text}").is_ok();
}

/// JSON for a script.
///
/// # Errors
/// When the value cannot be written as JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A table, or a hint when it has no rows.
pub(super) fn table(headers: &[&str], rows: Vec<Vec<String>>, when_empty: &str) {
    if rows.is_empty() {
        say(when_empty);
        return;
    }
    say(&grid(headers, rows, None));
}

/// A table as text, as wide as the terminal unless a width is given.
pub(super) fn grid(headers: &[&str], rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headers.to_vec());
    if let Some(width) = width {
        table.set_width(width);
    }
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// An instant, to the second, with its zone.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
