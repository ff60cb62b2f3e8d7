//! What is wrong with a configuration, where, and what to write instead.
//!
//! Knows nothing of TOML or of keys. Invariant: no problem ever carries the value of a secret.

use std::{fmt, path::PathBuf};

/// Where a value, or a problem, stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The built-in `default.toml`.
    Default,
    /// A file as a whole: it cannot be read.
    Path(PathBuf),
    /// A position in a file.
    File {
        /// The file, as it was named to us.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
    },
    /// An environment variable.
    Env(String),
    /// The key of a `--set` flag.
    Flag(String),
    /// Nowhere: something is not set.
    Missing,
}

impl Place {
    /// Where an effective value came from, as shown beside it.
    pub(super) fn origin(&self) -> String {
        match self {
            Place::File { path, line, .. } => format!("{}:{line}", path.display()),
            Place::Flag(_) => "flag".to_owned(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => f.write_str("default"),
            Place::Path(path) => write!(f, "{}", path.display()),
            Place::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Place::Env(name) => write!(f, "environment {name}"),
            Place::Flag(key) => write!(f, "flag --set {key}"),
            Place::Missing => f.write_str("not set"),
        }
    }
}

/// One thing to put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// The key it is about, such as `smtp.security`; empty when it is about a whole file.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place != Place::Missing {
            write!(f, "{}: ", self.place)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}\n    {}", self.message, self.remedy)
    }
}

/// All that is wrong with a configuration, in the order of its places.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// What a check found wrong with a value, before its place is known.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }

    pub(super) fn at(self, place: Place, key: &str) -> Problem {
        Problem { place, key: key.to_owned(), message: self.message, remedy: self.remedy }
    }
}
