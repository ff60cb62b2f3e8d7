-- Orders come from more than HubSpot: another cart sends them to the API, or a person imports a file. So an order belongs
-- to a source, and the source of a HubSpot connection carries that connection's id, which every stored order already has.

create table sources (
    id         uuid primary key,
    account_id uuid not null references accounts (id),
    kind       text not null check (kind in ('hubspot', 'api')),
    name       text not null,
    created_at timestamptz not null,
    constraint sources_name_key unique (account_id, name),
    -- Document numbers are made of it, so it has no blank and no capital; the name of a portal's source has a blank, so
    -- that no cart can take it.
    constraint sources_name_fits check (
        case kind when 'api' then name ~ '^[a-z0-9][a-z0-9._-]{0,39}$' else position(' ' in name) > 0 end)
);

insert into sources (id, account_id, kind, name, created_at)
select id, account_id, 'hubspot',
       'HubSpot ' || company_id || case environment when 'sandbox' then ' (sandbox)' else '' end, connected_at
from connections where provider = 'hubspot';

alter table orders drop constraint orders_source_id_fkey;
alter table orders add constraint orders_source_id_fkey foreign key (source_id) references sources (id);

-- A key lets a cart send orders for one account. The key itself is shown once and stored nowhere: only its hash, and its
-- first characters, by which people and the lookup recognise it.
create table api_keys (
    id           uuid primary key,
    account_id   uuid not null references accounts (id),
    prefix       text not null,
    key_hash     bytea not null check (octet_length(key_hash) = 32),
    created_at   timestamptz not null,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    constraint api_keys_prefix_key unique (prefix)
);

create index api_keys_by_account on api_keys (account_id);
