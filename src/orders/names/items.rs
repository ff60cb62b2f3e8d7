//! The item of a line: by SKU, else by name, else the fallback of the settings or a new one.

use super::{Asking, Known, Names, Trouble, all_taken, is_taken};
use crate::{
    orders::mapping::{Entry, ItemName, Role, Unmappable, text::tagged},
    provider::quickbooks::{KeptItem, NewItem},
    store::quickbooks_names::Kind,
};

/// What an item is remembered by.
pub(super) fn key(item: &ItemName) -> String {
    item.sku.as_ref().map_or_else(|| key_of_name(&item.name), |sku| format!("sku:{sku}"))
}

pub(super) fn key_of_name(name: &str) -> String {
    format!("name:{name}")
}

impl Names<'_> {
    /// The item of a line. `position` tells the lines of one order apart.
    pub(in crate::orders) async fn item(&mut self, entry: &Entry, position: usize) -> Result<Known, Trouble> {
        let key = key(&entry.item);
        if let Some(id) = self.recalled(Kind::Item, &key) {
            return Ok(Known::Remembered(id));
        }
        let fallback = self.settings.fallback_item.clone().filter(|_| entry.role == Role::Product);
        if let Some(fallback) = &fallback
            && self.recalled(Kind::UnknownItem, &key).is_some()
        {
            return self.fallback(fallback).await;
        }
        let Some(asking) = self.asking else { return Ok(Known::Unasked) };
        let creates = self.writes && fallback.is_none();
        let known = self.ask_for_item(asking, &entry.item, position, creates).await?;
        match (&known, fallback) {
            (Known::Missing, Some(fallback)) => {
                self.remember(Kind::UnknownItem, &key, "").await?;
                self.fallback(&fallback).await
            }
            (Known::Found(id) | Known::Created(id), _) => {
                self.remember(Kind::Item, &key, id).await?;
                Ok(known)
            }
            _ => Ok(known),
        }
    }

    /// The item that stands for unknown ones; it must be there.
    async fn fallback(&mut self, name: &str) -> Result<Known, Trouble> {
        let key = key_of_name(name);
        if let Some(id) = self.recalled(Kind::Item, &key) {
            return Ok(Known::Remembered(id));
        }
        let Some(Asking { api, access, realm }) = self.asking else { return Ok(Known::Unasked) };
        let found = api.items_called(access, realm, name).await?.into_iter().find(is_sold);
        let found = found.ok_or_else(|| {
            Unmappable::new(
                format!("QuickBooks has no item {name:?} to stand for items that it does not know"),
                "add it in QuickBooks, or name another one: `lamplighter account settings NAME --set fallback_item=...`; \
                 then retry the order",
            )
        })?;
        self.remember(Kind::Item, &key, &found.id).await?;
        Ok(Known::Found(found.id))
    }

    async fn ask_for_item(
        &mut self,
        asking: Asking<'_>,
        item: &ItemName,
        position: usize,
        creates: bool,
    ) -> Result<Known, Trouble> {
        let Asking { api, access, realm } = asking;
        if let Some(sku) = &item.sku {
            let found = api.items_by_sku(access, realm, sku).await?;
            if let Some(kept) = found.into_iter().find(is_sold) {
                return Ok(Known::Found(kept.id));
            }
        }
        let candidates = candidates(item);
        for (number, name) in candidates.iter().enumerate() {
            let found = api.items_called(access, realm, name).await?;
            let taken = !found.is_empty();
            if let Some(kept) = found.into_iter().find(|kept| is_meant(kept, item)) {
                return Ok(Known::Found(kept.id));
            }
            // Another item, or a category.
            if taken {
                continue;
            }
            if !creates {
                return Ok(Known::Missing);
            }
            let new = NewItem {
                name: name.clone(),
                sku: item.sku.clone(),
                income_account_id: self.income_account(asking).await?,
                description: None,
            };
            // The first try of a name has always had an id without a letter.
            let request = format!("{}-i{position}{}", self.request_id, ["", "b", "c"].get(number).unwrap_or(&"d"));
            match api.create_item(access, realm, &new, &request).await {
                Ok(made) => return Ok(Known::Created(made.id)),
                // An inactive one has it.
                Err(failure) if is_taken(&failure) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        if creates { Err(all_taken("item", &candidates)) } else { Ok(Known::Missing) }
    }
}

/// The names under which an item may be kept; each of the others for when those before it belong to another item.
fn candidates(item: &ItemName) -> Vec<String> {
    let tag = item.sku.as_deref().filter(|sku| sku.chars().count() <= 60).map(|sku| sku.replace([':', '\t'], " "));
    let tags = tag.into_iter().chain(["item".to_owned()]);
    std::iter::once(item.name.clone()).chain(tags.map(|tag| tagged(&item.name, &tag))).collect()
}

fn is_meant(kept: &KeptItem, item: &ItemName) -> bool {
    let same = match (kept.sku.as_deref().map(str::trim).filter(|sku| !sku.is_empty()), item.sku.as_deref()) {
        (Some(theirs), Some(ours)) => theirs.to_lowercase() == ours.to_lowercase(),
        _ => true,
    };
    is_sold(kept) && same
}

/// Categories and bundles cannot stand on a line.
fn is_sold(kept: &KeptItem) -> bool {
    kept.active && !matches!(kept.kind.as_deref(), Some("Category" | "Group"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(sku: Option<&str>, kind: &str, active: bool) -> KeptItem {
        let (sku, kind) = (sku.map(str::to_owned), Some(kind.to_owned()));
        KeptItem { id: "7".to_owned(), name: "Lamp".to_owned(), sku, kind, active }
    }

    #[test]
    fn an_item_of_the_same_name_may_be_another_one() {
        let lamp = ItemName { sku: Some("L-1".to_owned()), name: "Lamp".to_owned() };
        assert!(is_meant(&kept(Some("l-1"), "Service", true), &lamp));
        assert!(is_meant(&kept(None, "Inventory", true), &lamp));
        assert!(!is_meant(&kept(Some("L-2"), "Service", true), &lamp));
        assert!(!is_meant(&kept(None, "Category", true), &lamp));
        assert!(!is_meant(&kept(Some("L-1"), "Service", false), &lamp));
        assert!(is_meant(&kept(Some("L-2"), "Service", true), &ItemName { sku: None, ..lamp.clone() }));
        assert_eq!(candidates(&lamp), ["Lamp", "Lamp (L-1)", "Lamp (item)"]);
    }
}
