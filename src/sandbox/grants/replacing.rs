//! A refresh token that loses its place while its grant lives on: somebody else holds the newer one.

use chrono::{DateTime, Utc};

use super::Grants;

impl Grants {
    /// Takes the place of every refresh token of a company that could still be spent. What was handed out with it goes on
    /// working, and spending it once more harms nothing. Says whether there was one.
    pub(in crate::sandbox) fn replace_company(&mut self, company: &str, now: DateTime<Utc>) -> bool {
        let alive = |family: &super::Family| family.company == company && !family.refresh_dead;
        let families: Vec<_> = (0..self.families.len()).filter(|&i| alive(&self.families[i])).collect();
        for &family in &families {
            let former = self.families[family].current.clone();
            self.rotate(family, now);
            if let Some(former) = self.refresh.get_mut(&former) {
                former.taken_over = true;
            }
        }
        !families.is_empty()
    }
}
