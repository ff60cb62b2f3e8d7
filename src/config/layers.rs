//! Lays defaults, file, environment and flags over each other: the later one wins, key by key.
//!
//! `default.toml` is the whole vocabulary: a key that it does not hold is unknown in every layer. Knows nothing of what
//! a key means. Invariant: every node has the kind of its default, so a faulty value leaves the layer below it in place.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use toml::de::{DeTable, DeValue};

use super::{
    problem::{Fault, Place, Problem, Problems},
    suggest::nearest,
    value::{Node, Value},
};

/// Every environment variable of ours begins with this.
pub(super) const ENV_PREFIX: &str = "LAMPLIGHTER__";

/// The keys with their effective values, and what was wrong with the layers.
pub(super) struct Layers {
    pub(super) nodes: BTreeMap<String, Node>,
    /// The keys as `default.toml` orders them.
    pub(super) order: Vec<String>,
    sections: BTreeSet<String>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Layers {
    /// The lowest layer. A test proves that `defaults` parses and is complete.
    pub(super) fn new(defaults: &str) -> Self {
        let mut found = Vec::new();
        let mut layers = Self {
            nodes: BTreeMap::new(),
            order: Vec::new(),
            sections: BTreeSet::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        if let Ok(document) = DeTable::parse(defaults) {
            layers.learn(document.get_ref(), "", &mut found);
        }
        found.sort();
        layers.order = found.into_iter().map(|(_, key)| key).collect();
        layers
    }

    fn learn(&mut self, table: &DeTable<'_>, section: &str, found: &mut Vec<(usize, String)>) {
        for (name, value) in table {
            let key = join(section, name.get_ref());
            if let DeValue::Table(inner) = value.get_ref() {
                self.learn(inner, &key, found);
                self.sections.insert(key);
            } else if let Some(value) = Value::of_any_kind(value.get_ref()) {
                found.push((name.span().start, key.clone()));
                self.nodes.insert(key, Node { value, place: Place::Default });
            }
        }
    }

    /// Lays the file over what is there. Fails alone when nothing in it can be trusted: unreadable or no TOML.
    pub(super) fn file(&mut self, path: &Path) -> Result<(), Problems> {
        let bytes = std::fs::read(path).map_err(|error| {
            Fault::new(format!("cannot be read: {error}"), "name a readable file, or create this one from example.toml")
                .at(Place::Path(path.to_owned()), "")
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
            Fault::new("is not UTF-8 text from here on", "save the file as UTF-8")
                .at(position(path, &before, valid), "")
        })?;
        self.text(path, &text)
    }

    /// Lays TOML text over what is there; `path` only names it.
    pub(super) fn text(&mut self, path: &Path, text: &str) -> Result<(), Problems> {
        let document = DeTable::parse(text).map_err(|error| {
            // The error's own Display quotes the line, which may hold a secret: take its message only.
            let start = error.span().map_or(0, |span| span.start);
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            Fault::new(format!("is not TOML here: {message}"), "correct the syntax; the rest is checked after that")
                .at(position(path, text, start), "")
        })?;
        self.walk(document.get_ref(), "", &|offset| position(path, text, offset));
        Ok(())
    }

    fn walk(&mut self, table: &DeTable<'_>, section: &str, place: &dyn Fn(usize) -> Place) {
        for (name, value) in table {
            let key = join(section, name.get_ref());
            let whole = !name.get_ref().contains('.');
            if let Some(node) = self.nodes.get_mut(&key).filter(|_| whole) {
                match Value::from_toml(value.get_ref(), &node.value) {
                    Ok(read) => *node = Node { value: read, place: place(value.span().start) },
                    Err(fault) => self.problems.push(fault.at(place(value.span().start), &key)),
                }
            } else if whole && self.sections.contains(&key) {
                if let DeValue::Table(inner) = value.get_ref() {
                    self.walk(inner, &key, place);
                } else {
                    let fault = Fault::new("is a section, not a key", format!("write [{key}] and its keys below it"));
                    self.problems.push(fault.at(place(value.span().start), &key));
                }
            } else {
                let remedy =
                    self.near(&key, |near| match near.strip_prefix(section).and_then(|n| n.strip_prefix('.')) {
                        Some(sibling) => format!("`{sibling}`"),
                        None => format!("`{near}`"),
                    });
                let fault = Fault::new(format!("unknown {}", noun(value.get_ref())), remedy);
                self.problems.push(fault.at(place(name.span().start), &key));
            }
        }
    }

    /// Lays the variables that begin with `LAMPLIGHTER__` over what is there.
    pub(super) fn environment(&mut self, variables: &BTreeMap<String, String>) {
        for (name, text) in variables {
            if let Some(rest) = name.strip_prefix(ENV_PREFIX) {
                let key = rest.to_lowercase().replace("__", ".");
                self.overlay(&key, text, &Place::Env(name.clone()), |near| format!("`{}`", env_name(near)));
            } else if let Some(key) = name.starts_with("LAMPLIGHTER_").then(|| self.meant_by(name)).flatten() {
                self.warnings.push(format!("environment {name} is not read; did you mean `{}`?", env_name(&key)));
            }
        }
    }

    /// Lays `--set section.key=value` over what is there.
    pub(super) fn flags(&mut self, flags: &[(String, String)]) {
        for (key, text) in flags {
            self.overlay(key, text, &Place::Flag(key.clone()), |near| format!("`{near}`"));
        }
    }

    fn overlay(&mut self, key: &str, text: &str, place: &Place, written: impl Fn(&str) -> String) {
        let Some(node) = self.nodes.get_mut(key) else {
            let fault = Fault::new("unknown key", self.near(key, written));
            return self.problems.push(fault.at(place.clone(), key));
        };
        // `environment()` replaces what is not UTF-8; such a value is not what its author meant.
        let read = if text.contains(char::REPLACEMENT_CHARACTER) {
            Err(Fault::new("is not UTF-8 text", "write it in UTF-8"))
        } else {
            Value::from_text(text, &node.value)
        };
        match read {
            Ok(value) => *node = Node { value, place: place.clone() },
            Err(fault) => self.problems.push(fault.at(place.clone(), key)),
        }
    }

    fn near(&self, key: &str, written: impl Fn(&str) -> String) -> String {
        let known = self.order.iter().chain(&self.sections).map(String::as_str);
        match nearest(key, known) {
            Some(near) => format!("did you mean {}?", written(near)),
            None => "take it out; default.toml lists every key".to_owned(),
        }
    }

    /// The key that a variable with single underscores was probably meant for.
    fn meant_by(&self, name: &str) -> Option<String> {
        let flat = |name: &str| name.replace("__", "_");
        self.order.iter().find(|key| flat(&env_name(key)) == flat(name)).cloned()
    }
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

fn noun(value: &DeValue<'_>) -> &'static str {
    if matches!(value, DeValue::Table(_)) { "section" } else { "key" }
}

/// The environment variable of a key.
pub(super) fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

fn position(path: &Path, text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place::File {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
