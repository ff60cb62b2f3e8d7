//! Reads a secret from `x` or from the file that `x_file` names, and masks what is shown.
//!
//! Knows nothing of what a secret is for. Invariant: a secret leaves this module as a `SecretString` or masked.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use secrecy::SecretString;
use url::Url;

use super::{
    problem::{Fault, Place},
    reader::Section,
    value::Value,
};

/// What a secret that is set is shown as.
const MASK: &str = "••••";
/// The longest secret file that is believed to be one.
const LONGEST: u64 = 64 * 1024;

impl Section<'_> {
    /// The secret `name`, from its key or from the file named by `name_file`. Not set is `None`.
    pub(super) fn secret(&mut self, name: &str) -> Option<Option<SecretString>> {
        let file_name = format!("{name}_file");
        let (key, file_key) = (self.key(name), self.key(&file_name));
        let inline = self.parsed(name, |text| Ok((!text.is_empty()).then(|| SecretString::from(text))));
        let file = self.optional_path(&file_name);
        self.reader().secrets.insert(key.clone());
        self.warn_if_padded(&key);
        match (inline?, file?) {
            (Some(_), Some(_)) => {
                let other = self.reader().place(&file_key);
                let message = format!("is set here, and {file_key} is set too ({other})");
                self.reader().fault(&key, Fault::new(message, "keep one of the two; the file is safer"));
                None
            }
            (None, Some(path)) => match read(&path) {
                Ok((secret, readable_by_all)) => {
                    if readable_by_all {
                        self.reader().warn(exposed(&path, &key));
                    }
                    Some(Some(secret))
                }
                Err(fault) => {
                    self.reader().fault(&file_key, fault);
                    None
                }
            },
            (inline, None) => {
                self.warn_if_exposed(&key, inline.is_some());
                Some(inline)
            }
        }
    }

    fn warn_if_padded(&mut self, key: &str) {
        let padded = self
            .reader()
            .layers
            .nodes
            .get(key)
            .is_some_and(|node| matches!(&node.value, Value::Text(text) if text.trim().len() < text.len()));
        if padded {
            self.reader().warn(format!("{key} begins or ends with white space; is that meant?"));
        }
    }

    /// A secret in the configuration file makes that file a secret; one in a flag is in the list of processes.
    fn warn_if_exposed(&mut self, key: &str, set: bool) {
        let warning = match self.reader().place(key) {
            Place::File { path, .. } if std::fs::metadata(&path).is_ok_and(|found| readable_by_all(&found)) => {
                exposed(&path, key)
            }
            Place::Flag(_) => {
                format!("{key} is given in a flag, which every user of this machine can see: use {key}_file")
            }
            _ => return,
        };
        if set {
            self.reader().warn(warning);
        }
    }
}

fn exposed(path: &Path, key: &str) -> String {
    let path = path.display();
    format!("{path} holds {key} and every user of this machine can read it: chmod o-r {path}")
}

fn readable_by_all(found: &std::fs::Metadata) -> bool {
    found.permissions().mode() & 0o004 != 0
}

fn read(path: &Path) -> Result<(SecretString, bool), Fault> {
    let shown = path.display();
    let unreadable = |error: io::Error| {
        Fault::new(
            format!("{shown} cannot be read: {error}"),
            "create the file, or let the user that runs Lamplighter read it",
        )
    };
    let file = File::open(path).map_err(unreadable)?;
    let open_to_all = readable_by_all(&file.metadata().map_err(unreadable)?);
    let mut content = String::new();
    file.take(LONGEST + 1).read_to_string(&mut content).map_err(unreadable)?;
    if content.len() as u64 > LONGEST {
        let message = format!("{shown} is longer than {LONGEST} bytes");
        return Err(Fault::new(message, "name the file that holds nothing but the secret"));
    }
    let line = content.strip_suffix('\n').unwrap_or(&content);
    let secret = line.strip_suffix('\r').unwrap_or(line);
    if secret.is_empty() {
        return Err(Fault::new(format!("{shown} is empty"), "write the secret into it"));
    }
    Ok((SecretString::from(secret), open_to_all))
}

/// What is shown for the text of a secret key.
pub(super) fn masked(key: &str, text: &str) -> String {
    match text {
        "" => String::new(),
        url if key == "database.url" => masked_url(url),
        _ => format!("{MASK} (set)"),
    }
}

/// A database URL without its password, or without anything when it cannot be told apart.
fn masked_url(text: &str) -> String {
    const STAND_IN: &str = "****";
    const HARMLESS: [&str; 6] = ["host", "port", "user", "dbname", "sslmode", "application_name"];
    let Ok(mut url) = Url::parse(text) else {
        return format!("{MASK} (set)");
    };
    if url.password().is_some() && url.set_password(Some(STAND_IN)).is_err() {
        return format!("{MASK} (set)");
    }
    if url.query().is_some() {
        let pairs: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        url.query_pairs_mut().clear().extend_pairs(
            pairs
                .iter()
                .map(|(name, value)| (name, if HARMLESS.contains(&name.as_str()) { value.as_str() } else { STAND_IN })),
        );
    }
    url.set_fragment(None);
    url.to_string().replace(STAND_IN, MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_is_shown_without_its_password() {
        let shown =
            masked("database.url", "postgres://lamp:hunter2@db.example.com:5433/lamp?sslmode=require&password=x1");
        assert_eq!(shown, "postgres://lamp:••••@db.example.com:5433/lamp?password=••••&sslmode=require");
        assert_eq!(masked("database.url", "host=db password=hunter2"), "•••• (set)");
        assert_eq!(masked("database.url", ""), "");
        assert_eq!(masked("smtp.password", "hunter2"), "•••• (set)");
    }
}
