-- Keys change while daemons run. A new key is announced first (nothing is sealed under it before every daemon knows it),
-- then used, then retired by the next one; a retired key is kept until nothing can need it: reconnect links are signed
-- with keys and leave no row behind, so the moment of retirement is what tells. A pruned key leaves its row, without which
-- nobody could say which key an old backup asks for.
alter table vault_keys
    alter column first_used_at drop not null,
    add column announced_at timestamptz,
    add column retired_at timestamptz,
    add column pruned_at timestamptz,
    add constraint vault_keys_known_for_a_reason check (announced_at is not null or first_used_at is not null),
    add constraint vault_keys_retired_after_use check (retired_at is null or first_used_at is not null),
    add constraint vault_keys_pruned_after_retirement check (pruned_at is null or retired_at is not null);

-- Tokens that did not open and rest. One incident covers all that miss the same key, so who they are stands here; and
-- when the key is back, these are the rows that need not wait for their hour.
create table set_asides (
    connection_id uuid primary key references connections (id),
    -- The key that was missing. Null: the key is there, the text is damaged.
    key_id        text,
    -- What did not open; over as soon as the tokens have moved on.
    generation    bigint not null,
    since         timestamptz not null,
    -- When the key was back and the row was made due again.
    returned_at   timestamptz
);
