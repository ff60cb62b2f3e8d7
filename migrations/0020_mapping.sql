-- How an order becomes a document differs from company to company: an account's own settings lie over those of the
-- configuration. Text, because the code that reads them says what is wrong with one better than a type would.
create table account_settings (
    account_id uuid not null references accounts (id),
    key        text not null,
    value      text not null,
    changed_at timestamptz not null,
    primary key (account_id, key)
);

-- More of a company is remembered: whether it uses several currencies, its country, and items that it does not have.
-- The last is believed for a day only, because the merchant may add the item.
alter table quickbooks_names
    drop constraint quickbooks_names_kind_check,
    add constraint quickbooks_names_kind_check check (kind in
        ('customer', 'item', 'account', 'home_currency', 'multi_currency', 'country', 'unknown_item')),
    add column remembered_at timestamptz not null default now();
