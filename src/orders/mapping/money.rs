//! Rounding to what a currency has: cents mostly, none in yen, three places in dinars.

use rust_decimal::{Decimal, RoundingStrategy};

/// QuickBooks takes no amount above this.
pub(super) const MOST: Decimal = Decimal::from_parts(1_215_752_191, 23, 0, false, 0);

const NONE: [&str; 16] =
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"];
const THREE: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// How many decimal places amounts of a currency have.
pub(super) fn places(currency: Option<&str>) -> u32 {
    match currency {
        Some(code) if NONE.contains(&code) => 0,
        Some(code) if THREE.contains(&code) => 3,
        _ => 2,
    }
}

/// An amount with just these places.
pub(super) fn round(amount: Decimal, places: u32) -> Decimal {
    let mut rounded = amount.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(places);
    rounded
}

/// Amounts that are rounded so that together they come to `sum`: those that lost most by rounding down get the smallest
/// unit more. Each stays within one unit of what it was.
pub(super) fn round_together(exact: &[Decimal], sum: Decimal, places: u32) -> Option<Vec<Decimal>> {
    let unit = Decimal::new(1, places);
    let floor = |amount: &Decimal| {
        let mut down = amount.round_dp_with_strategy(places, RoundingStrategy::ToNegativeInfinity);
        down.rescale(places);
        down
    };
    let mut rounded: Vec<_> = exact.iter().map(floor).collect();
    let missing = (sum - rounded.iter().sum::<Decimal>()) / unit;
    let missing = usize::try_from(missing.normalize()).ok()?;
    let mut by_loss: Vec<_> = (0..exact.len()).filter(|&at| exact[at] != rounded[at]).collect();
    by_loss.sort_by_key(|&at| (rounded[at] - exact[at], at));
    if missing > by_loss.len() {
        return None;
    }
    for &at in &by_loss[..missing] {
        rounded[at] += unit;
    }
    Some(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_has_its_places() {
        let amount = Decimal::new(12_3456, 4);
        let shown = |currency| round(amount, places(currency)).to_string();
        assert_eq!([Some("JPY"), Some("KWD"), Some("USD"), None].map(shown), ["12", "12.346", "12.35", "12.35"]);
        assert_eq!(round(Decimal::TEN, 2).to_string(), "10.00");
        assert_eq!(round(Decimal::new(-5, 3), 2).to_string(), "-0.01");
        assert_eq!(MOST.to_string(), "99999999999");
    }

    #[test]
    fn a_cent_goes_where_most_was_lost() {
        let third = Decimal::new(3333, 3);
        let together = round_together(&[third, third, third], Decimal::TEN, 2).unwrap();
        assert_eq!(together, [Decimal::new(334, 2), Decimal::new(333, 2), Decimal::new(333, 2)]);
        assert_eq!(round_together(&[Decimal::ONE], Decimal::TWO, 2), None, "that is no rounding");
        let exact = [Decimal::new(333, 3), Decimal::new(333, 3), Decimal::new(334, 3)];
        let expected = [Decimal::new(33, 2), Decimal::new(33, 2), Decimal::new(34, 2)];
        assert_eq!(round_together(&exact, Decimal::ONE, 2).unwrap(), expected);
    }
}
