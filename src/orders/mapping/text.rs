//! Texts that fit: cut at the end with an ellipsis, in the units in which QuickBooks may count, and never inside of a
//! character that is made of several.

/// The longest description of a line.
pub(super) const DESCRIPTION_LENGTH: usize = 4_000;
/// The longest name of an item or a customer, and the longest SKU and mail address.
pub(super) const NAME_LENGTH: usize = 100;

/// Joins what is before it with what comes after it, as in family emoji.
const JOINER: char = '\u{200D}';

/// A text of at most `limit` UTF-16 units; what is cut off leaves an ellipsis.
pub(super) fn cut(text: &str, limit: usize) -> String {
    let text = text.trim();
    if fits(text, limit) {
        return text.to_owned();
    }
    let mut left = limit.saturating_sub(1);
    let kept: String = text
        .chars()
        .take_while(|letter| {
            let fits = letter.len_utf16() <= left;
            left = left.saturating_sub(letter.len_utf16());
            fits
        })
        .collect();
    format!("{}…", kept.trim_end_matches(|c: char| c.is_whitespace() || c == JOINER))
}

/// Whether a text need not be cut.
pub(super) fn fits(text: &str, limit: usize) -> bool {
    text.encode_utf16().count() <= limit
}

/// A name as QuickBooks takes it: without colon, tab and line break, and not too long.
pub(super) fn name(text: &str) -> String {
    cut(&plain(text), NAME_LENGTH)
}

/// A name with something in brackets behind it, which is never cut.
pub(in crate::orders) fn tagged(name: &str, tag: &str) -> String {
    let room = NAME_LENGTH.saturating_sub(tag.encode_utf16().count() + 3);
    format!("{} ({tag})", cut(name, room))
}

/// A name without what QuickBooks forbids in it, of any length.
pub(super) fn plain(text: &str) -> String {
    let replaced = text.replace(':', " -");
    let words = replaced.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_with_an_ellipsis() {
        assert_eq!(cut(" lamp ", 4), "lamp");
        assert_eq!(cut("lamps", 4), "lam…");
        assert_eq!(cut("a lamp", 3), "a…");
        assert_eq!(cut("🕯🕯🕯", 5), "🕯🕯…", "an emoji counts twice");
        assert_eq!(cut("ab👩\u{200D}👧 x", 6), "ab👩…", "nothing is left dangling");
        assert_eq!(cut("مصباح نحاسي", 6), "مصباح…");
    }

    #[test]
    fn a_name_has_nothing_that_is_forbidden_and_keeps_its_tag() {
        assert_eq!(name("Gift: a\tlamp\n 🕯"), "Gift - a lamp 🕯");
        let long = tagged(&"ü".repeat(200), "rae@post.example");
        assert!(long.ends_with("… (rae@post.example)") && long.chars().count() == 100, "{long}");
    }
}
