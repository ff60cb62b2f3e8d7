-- A key of the API is for one account or for all, may do what its scopes say, has a name that people know it by, and may run
-- out. Keys that carts hold already go on doing what they did: sending orders for their account.
alter table api_keys
    alter column account_id drop not null,
    add column name       text not null default 'cart',
    add column scopes     text[] not null default '{orders:write}',
    add column expires_at timestamptz,
    add constraint api_keys_scopes_fit check (
        cardinality(scopes) > 0 and scopes <@ array['orders:write', 'read', 'manage', 'tokens']);

alter table api_keys alter column name drop default, alter column scopes drop default;
