//! Folds a text part to a width that every mail program shows without a scroll bar.
//!
//! Knows nothing of mails: it keeps blank lines, keeps a word (and so a URL) whole, and lets the continuation of an
//! indented line start where its first word started.

/// The widest line that is folded to. A single longer word, such as a URL, stays whole.
pub(super) const WIDTH: usize = 74;

/// Folds each line of `text` by itself and squeezes runs of blank lines into one.
pub(super) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut blank = true;
    for line in text.lines() {
        let line = line.trim_end();
        if line.is_empty() {
            if !blank {
                out.push('\n');
            }
            blank = true;
            continue;
        }
        blank = false;
        fold_line(line, &mut out);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn fold_line(line: &str, out: &mut String) {
    let margin = line.len() - line.trim_start().len();
    let hang = margin + marker(line.trim_start());
    let mut width = 0;
    for word in line.split_whitespace() {
        let length = word.chars().count();
        if width == 0 {
            out.push_str(&line[..margin]);
            width = margin;
        } else if width + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(hang));
            width = hang;
        } else {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out.push('\n');
}

/// The width of a leading `1. `, or nothing.
fn marker(line: &str) -> usize {
    match line.split_once(". ") {
        Some((digits, _)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => digits.len() + 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_steps_hang() {
        let folded = fold(&format!("  1. {}\n\n\n\nend", "word ".repeat(30)));
        assert!(folded.lines().all(|line| line.chars().count() <= WIDTH), "{folded}");
        assert!(folded.starts_with("  1. word"));
        assert!(folded.lines().nth(1).is_some_and(|line| line.starts_with("     word")), "{folded}");
        assert!(folded.ends_with("\n\nend\n"), "{folded}");
    }

    #[test]
    fn a_link_stays_whole() {
        let url = format!("https://example.com/{}", "a".repeat(200));
        assert!(fold(&format!("  {url}")).lines().any(|line| line.trim() == url));
    }
}
