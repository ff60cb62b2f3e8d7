//! Which of HubSpot's orders are taken in.

use super::reader::{Section, gather};

/// `[orders.intake]`. An empty list lets everything pass.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    /// `hs_pipeline`.
    pub pipelines: Vec<String>,
    /// `hs_pipeline_stage`.
    pub stages: Vec<String>,
    /// `hs_payment_status`.
    pub payment_statuses: Vec<String>,
    /// `hs_source_store`.
    pub source_stores: Vec<String>,
}

impl Filters {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        Some(gather!(Filters {
            pipelines: section.list_or_empty("pipelines"),
            stages: section.list_or_empty("stages"),
            payment_statuses: section.list_or_empty("payment_statuses"),
            source_stores: section.list_or_empty("source_stores"),
        }))
    }

    /// Whether an order passes; `property` tells what HubSpot says of it.
    pub fn admit<'a>(&self, property: impl Fn(&str) -> Option<&'a str>) -> bool {
        [
            ("hs_pipeline", &self.pipelines),
            ("hs_pipeline_stage", &self.stages),
            ("hs_payment_status", &self.payment_statuses),
            ("hs_source_store", &self.source_stores),
        ]
        .into_iter()
        .filter(|(_, wanted)| !wanted.is_empty())
        .all(|(name, wanted)| {
            let said = property(name).unwrap_or_default().trim();
            wanted.iter().any(|one| one.trim().eq_ignore_ascii_case(said))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(filters: &Filters, order: &[(&str, &str)]) -> bool {
        filters.admit(|name| order.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
    }

    #[test]
    fn every_list_that_is_set_must_hold_the_order_s_value() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let filters = Filters {
            payment_statuses: words(&["Paid", "partially paid"]),
            source_stores: words(&["harbor"]),
            ..Filters::default()
        };
        assert!(admits(&Filters::default(), &[]));
        assert!(admits(&filters, &[("hs_payment_status", " PAID"), ("hs_source_store", "Harbor")]));
        assert!(!admits(&filters, &[("hs_payment_status", "paid"), ("hs_source_store", "other")]));
        assert!(!admits(&filters, &[("hs_source_store", "harbor")]));
        assert!(!admits(&filters, &[]));
    }
}
