//! Makes the README's table of keys out of the comments in `default.toml`.
//!
//! Invariant: one row per key, in the file's order; the text is the comment that stands right above the key.

use super::DEFAULT;

/// A Markdown table of every key, its default and its meaning.
pub fn reference_table() -> String {
    let mut table = "| key | default | meaning |\n|---|---|---|\n".to_owned();
    for (key, default, meaning) in rows(DEFAULT) {
        let cell = |text: &str| text.replace('|', "\\|");
        table.push_str(&format!("| `{}` | `{}` | {} |\n", cell(&key), cell(default), cell(&meaning)));
    }
    table
}

fn rows(text: &str) -> Vec<(String, &str, String)> {
    let mut rows = Vec::new();
    let mut section = String::new();
    let mut comment = Vec::new();
    for line in text.lines() {
        if let Some(words) = line.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((name, default)) = line.split_once(" = ") {
            rows.push((format!("{section}{name}"), default, comment.join(" ")));
        }
        comment.clear();
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::{super::layers::Layers, *};

    #[test]
    fn every_key_has_a_row_with_a_meaning() {
        let rows = rows(DEFAULT);
        let keys: Vec<_> = rows.iter().map(|(key, _, _)| key.clone()).collect();
        assert_eq!(keys, Layers::new(DEFAULT).order);
        for (key, _, meaning) in &rows {
            assert!(meaning.ends_with('.'), "{key} needs a comment that is a sentence, has {meaning:?}");
        }
    }

    #[test]
    fn a_row_reads_like_this() {
        let table = reference_table();
        assert!(table.contains("| `web.link_lifetime` | `\"7d\"` | How long a reconnect link works. |\n"), "{table}");
    }
}
