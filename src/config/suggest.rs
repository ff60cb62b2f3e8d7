//! Finds the known key that a person probably meant.
//!
//! Knows nothing of files or layers. Invariant: a suggestion differs from what was written by a slip of the finger or by
//! its section, never by more.

/// The known key nearest to `written`, if one is near enough to be meant.
pub(super) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (section, name) = split(written);
    let slips = (name.chars().count() / 3).clamp(1, 3);
    known
        .filter_map(|key| {
            let (key_section, key_name) = split(key);
            let section_slips = distance(section, key_section);
            let name_slips = distance(name, key_name);
            // A key is looked for under a mistyped or wrong section too, but a right section is worth more.
            let meant = name_slips <= slips && (section_slips <= 2 || name_slips == 0);
            meant.then_some((name_slips + section_slips.min(4), key))
        })
        .min()
        .map(|(_, key)| key)
}

fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// How many characters to insert, delete, replace or swap with their neighbour to turn one text into the other. Very long
/// texts are far from all.
fn distance(from: &str, to: &str) -> usize {
    if from.len() > 100 {
        return usize::MAX / 2;
    }
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut edits = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            edits[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = edits[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
                replaced.min(edits[i - 1][j] + 1).min(edits[i][j - 1] + 1)
            };
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                edits[i][j] = edits[i][j].min(edits[i - 2][j - 2] + 1);
            }
        }
    }
    edits[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] = ["data_dir", "web.listen", "web.public_url", "keeper.batch", "orders.batch", "web"];

    fn near(written: &str) -> Option<&'static str> {
        nearest(written, KNOWN.into_iter())
    }

    #[test]
    fn a_slip_finds_its_key() {
        assert_eq!(near("web.listne"), Some("web.listen"));
        assert_eq!(near("wbe.listen"), Some("web.listen"));
        assert_eq!(near("datadir"), Some("data_dir"));
        assert_eq!(near("wbe"), Some("web"));
        assert_eq!(near("bwe"), None, "two slips in three letters may be anything");
    }

    #[test]
    fn the_right_section_comes_first_and_a_wrong_one_is_forgiven() {
        assert_eq!(near("orders.bach"), Some("orders.batch"));
        assert_eq!(near("database.public_url"), Some("web.public_url"));
    }

    #[test]
    fn nothing_near_is_nothing() {
        assert_eq!(near("web.colour"), None);
        assert_eq!(near(&"x".repeat(100_000)), None);
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("listne", "listen"), 1);
    }
}
