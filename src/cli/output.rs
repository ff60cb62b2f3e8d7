//! What commands print: words for people, JSON for scripts. A reader that went away (`| head`) is not an error.

use std::io::{IsTerminal as _, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::builder::styling::{AnsiColor, Style};
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

/// Colours, where they are seen and wanted, as those of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(bool);

impl Paint {
    /// As standard output and the environment want it.
    pub(super) fn for_terminal() -> Self {
        let environment = crate::config::environment();
        Self::wanted(std::io::stdout().is_terminal(), |name| environment.get(name).map(String::as_str))
    }

    fn wanted<'a>(terminal: bool, environment: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self(crate::telemetry::in_colour(terminal, environment))
    }

    /// None at all.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self(false)
    }

    /// All of them.
    #[cfg(test)]
    pub(super) fn full() -> Self {
        Self(true)
    }

    /// Somebody must do something.
    pub(super) fn bad(self, text: &str) -> String {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }

    /// Somebody may look.
    pub(super) fn warn(self, text: &str) -> String {
        self.with(AnsiColor::Yellow.on_default(), text)
    }

    /// All is well.
    pub(super) fn good(self, text: &str) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }

    /// A heading.
    pub(super) fn strong(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    /// What may be overlooked.
    pub(super) fn quiet(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }

    fn with(self, style: Style, text: &str) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_whose_owner_wants_them() {
        let paint = |terminal, set: &'static [(&str, &str)]| {
            let find = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            Paint::wanted(terminal, find).bad("x")
        };
        assert_eq!(paint(true, &[("TERM", "xterm")]), "\u{1b}[1m\u{1b}[31mx\u{1b}[0m");
        assert_eq!(paint(true, &[("NO_COLOR", "")]), paint(true, &[]), "an empty NO_COLOR says nothing");
        assert_eq!(paint(false, &[]), "x");
        assert_eq!(paint(true, &[("NO_COLOR", "1")]), "x");
        assert_eq!(paint(true, &[("TERM", "dumb")]), "x");
    }
}
