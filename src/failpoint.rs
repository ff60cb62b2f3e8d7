//! Named places where a test lets the process die, as `kill -9` would at that very moment.
//!
//! Without the feature `failpoints`, which only tests switch on, `reach` is nothing at all. With it, the variable
//! `LAMPLIGHTER_FAILPOINTS`, such as `claimed=0.02,replied=0.1`, says how likely each place is to be the last one.

/// The process may end here.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn reach(_name: &'static str) {}

#[cfg(feature = "failpoints")]
pub use armed::reach;

#[cfg(feature = "failpoints")]
mod armed {
    use std::{collections::BTreeMap, sync::LazyLock};

    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };

    const VARIABLE: &str = "LAMPLIGHTER_FAILPOINTS";

    static CHANCES: LazyLock<BTreeMap<String, f64>> = LazyLock::new(|| {
        let environment = crate::config::environment();
        read(environment.get(VARIABLE).map_or("", String::as_str))
    });

    /// The process may end here.
    pub fn reach(name: &'static str) {
        let chance = CHANCES.get(name).copied().unwrap_or_default();
        if chance > 0.0 && rand::random::<f64>() < chance {
            tracing::error!(failpoint = name, "this process ends here, as its test asks");
            kill(Pid::this(), Signal::SIGKILL).ok();
        }
    }

    fn read(text: &str) -> BTreeMap<String, f64> {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.filter_map(|(name, chance)| Some((name.trim().to_owned(), chance.trim().parse().ok()?))).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn each_place_has_its_chance() {
            let chances = read("claimed=0.02, replied = 1,odd,=,mad=x");
            assert_eq!(
                chances.into_iter().collect::<Vec<_>>(),
                [("claimed".to_owned(), 0.02), ("replied".to_owned(), 1.0)]
            );
        }
    }
}
