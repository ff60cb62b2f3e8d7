//! Reads the laid-over values into types, notes every problem and goes on.
//!
//! Knows the kinds of values (durations, ranges, choices, addresses), not what a key is for. Invariant: a method returns
//! `None` only after it noted a problem, so no problems means that every value was read.

use std::{collections::BTreeSet, net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use lettre::message::Mailbox;

use super::{
    layers::Layers,
    problem::{Fault, Place},
    value::Value,
};

/// Evaluates every field, so that each can note its problem, and only then gives up if one is missing.
macro_rules! gather {
    ($kind:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        $(let $field = $value;)*
        $kind { $($field: $field?),* }
    }};
}
pub(super) use gather;

/// Reads keys of one set of layers.
pub(super) struct Reader {
    pub(super) layers: Layers,
    /// Keys that were asked for; a test compares them with `default.toml`.
    pub(super) read: BTreeSet<String>,
    /// Keys that are shown masked.
    pub(super) secrets: BTreeSet<String>,
}

/// Reads the keys of one section.
pub(super) struct Section<'a> {
    reader: &'a mut Reader,
    name: &'static str,
}

impl Reader {
    pub(super) fn new(layers: Layers) -> Self {
        Self { layers, read: BTreeSet::new(), secrets: BTreeSet::new() }
    }

    /// A view of one section; "" is the top.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_> {
        Section { reader: self, name }
    }

    /// Where the effective value of `key` stands.
    pub(super) fn place(&self, key: &str) -> Place {
        self.layers.nodes.get(key).map_or(Place::Missing, |node| node.place.clone())
    }

    /// Notes a problem with the value of `key`.
    pub(super) fn fault(&mut self, key: &str, fault: Fault) {
        let problem = fault.at(self.place(key), key);
        self.layers.problems.push(problem);
    }

    /// Notes that `key` is not set though it must be, unless it was set and is faulty already.
    pub(super) fn missing(&mut self, key: &str, fault: Fault) {
        if !self.layers.problems.iter().any(|problem| problem.key == key) {
            self.layers.problems.push(fault.at(Place::Missing, key));
        }
    }

    /// Notes what is no problem but should be known.
    pub(super) fn warn(&mut self, warning: String) {
        self.layers.warnings.push(warning);
    }
}

impl Section<'_> {
    pub(super) fn reader(&mut self) -> &mut Reader {
        self.reader
    }

    /// The full key of `name` in this section.
    pub(super) fn key(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) }
    }

    pub(super) fn read<T>(&mut self, name: &str, check: impl FnOnce(&Value) -> Result<T, Fault>) -> Option<T> {
        let key = self.key(name);
        let result = match self.reader.layers.nodes.get(&key) {
            Some(node) => check(&node.value),
            None => Err(Fault::new("has no default", "this is a defect of Lamplighter: report it")),
        };
        self.reader.read.insert(key.clone());
        result.map_err(|fault| self.reader.fault(&key, fault)).ok()
    }

    /// Text that `check` turns into what is wanted.
    pub(super) fn parsed<T>(&mut self, name: &str, check: impl FnOnce(&str) -> Result<T, Fault>) -> Option<T> {
        self.read(name, |value| match value {
            Value::Text(text) => check(text),
            _ => Err(misread()),
        })
    }

    /// Text that must not be empty.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.parsed(name, |text| match text.trim() {
            "" => Err(Fault::new("is empty", "write a value, or take the key out to have its default")),
            _ => Ok(text.to_owned()),
        })
    }

    /// Text; empty is `None`.
    pub(super) fn optional_text(&mut self, name: &str) -> Option<Option<String>> {
        self.parsed(name, |text| Ok(Some(text.to_owned()).filter(|text| !text.is_empty())))
    }

    pub(super) fn integer<T>(&mut self, name: &str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        self.read(name, |value| {
            let Value::Integer(number) = value else {
                return Err(misread());
            };
            T::try_from(*number)
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| outside(number, range.start(), range.end()))
        })
    }

    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        self.read(name, |value| match value {
            Value::Boolean(yes) => Ok(*yes),
            _ => Err(misread()),
        })
    }

    pub(super) fn fraction(&mut self, name: &str, range: RangeInclusive<f64>) -> Option<f64> {
        self.read(name, |value| match value {
            Value::Float(number) if range.contains(number) => Ok(*number),
            Value::Float(number) => Err(outside(number, range.start(), range.end())),
            _ => Err(misread()),
        })
    }

    pub(super) fn duration(&mut self, name: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        self.parsed(name, |text| duration(text, &range))
    }

    /// A duration, or a word such as "off", which is `None`.
    pub(super) fn duration_or(
        &mut self,
        word: &str,
        name: &str,
        range: RangeInclusive<Duration>,
    ) -> Option<Option<Duration>> {
        self.parsed(name, |text| match text {
            text if text == word => Ok(None),
            text => duration(text, &range)
                .map(Some)
                .map_err(|fault| Fault { remedy: format!("{}, or {word:?}", fault.remedy), ..fault }),
        })
    }

    /// Durations, each longer than the one before it; empty is none.
    pub(super) fn ladder(&mut self, name: &str, range: RangeInclusive<Duration>) -> Option<Vec<Duration>> {
        self.read(name, |value| {
            let Value::List(items) = value else { return Err(misread()) };
            let steps = items.iter().map(|item| duration(item, &range)).collect::<Result<Vec<_>, _>>()?;
            if steps.is_sorted_by(|one, next| one < next) {
                return Ok(steps);
            }
            Err(Fault::new("is out of order", "write the shortest first, and none twice"))
        })
    }

    pub(super) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        self.parsed(name, |text| {
            choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice).ok_or_else(|| {
                let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
                Fault::new(format!("unknown value {text:?}"), format!("write one of {}", words.join(", ")))
            })
        })
    }

    /// A list that must hold something.
    pub(super) fn list(&mut self, name: &str) -> Option<Vec<String>> {
        self.read(name, |value| match value {
            Value::List(items) if items.is_empty() => Err(Fault::new("is empty", "name at least one")),
            Value::List(items) => Ok(items.clone()),
            _ => Err(misread()),
        })
    }

    /// A list; empty leaves everything open.
    pub(super) fn list_or_empty(&mut self, name: &str) -> Option<Vec<String>> {
        self.read(name, |value| match value {
            Value::List(items) if items.iter().any(|item| item.trim().is_empty()) => {
                Err(Fault::new("holds an empty text", "take it out, or write the list as [] to leave it open"))
            }
            Value::List(items) => Ok(items.clone()),
            _ => Err(misread()),
        })
    }

    pub(super) fn address(&mut self, name: &str) -> Option<SocketAddr> {
        self.parsed(name, |text| {
            text.parse().map_err(|_| {
                let remedy = r#"write an IP address and a port, like "127.0.0.1:8737" or "[::]:8737""#;
                Fault::new(format!("{text:?} is no address to listen on"), remedy)
            })
        })
    }

    pub(super) fn mailbox(&mut self, name: &str) -> Option<Mailbox> {
        self.parsed(name, mailbox)
    }

    pub(super) fn optional_mailbox(&mut self, name: &str) -> Option<Option<Mailbox>> {
        self.parsed(name, |text| if text.is_empty() { Ok(None) } else { mailbox(text).map(Some) })
    }

    /// A path; a relative one counts from the directory of the file that it stands in. Empty is `None`.
    pub(super) fn optional_path(&mut self, name: &str) -> Option<Option<PathBuf>> {
        let base = match self.reader.place(&self.key(name)) {
            Place::File { path, .. } => path.parent().map(PathBuf::from).unwrap_or_default(),
            _ => PathBuf::new(),
        };
        self.parsed(name, |text| Ok((!text.is_empty()).then(|| base.join(text))))
    }

    /// Notes a problem when the first pause is longer than the longest.
    pub(super) fn ordered(&mut self, least: (&str, Duration), most: (&str, Duration)) {
        if least.1 > most.1 {
            let (other, place) = (self.key(most.0), self.reader.place(&self.key(most.0)));
            let message = format!("is longer than {other} ({})", place.origin());
            let remedy = format!("lower {} or raise {}", least.0, most.0);
            self.reader.fault(&self.key(least.0), Fault::new(message, remedy));
        }
    }
}

fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, Fault> {
    let duration = humantime::parse_duration(text).map_err(|error| {
        Fault::new(format!("{text:?} is no duration: {error}"), r#"write it like "45s", "30m" or "1h 30m""#)
    })?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    let (least, most) = (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
    Err(outside(&text, &least, &most))
}

fn mailbox(text: &str) -> Result<Mailbox, Fault> {
    text.parse().map_err(|error| {
        Fault::new(format!("{text:?} is no mail address: {error}"), r#"write it like "Name <name@example.com>""#)
    })
}

fn outside(found: &dyn std::fmt::Display, least: &dyn std::fmt::Display, most: &dyn std::fmt::Display) -> Fault {
    Fault::new(format!("{found} is out of range"), format!("write a value from {least} to {most}"))
}

fn misread() -> Fault {
    Fault::new("is read as another kind than its default", "this is a defect of Lamplighter: report it")
}
