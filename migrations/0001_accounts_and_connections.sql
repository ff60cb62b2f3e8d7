-- The two nouns everything hangs on: a customer of the operator, and that customer's authorization for one company at
-- one provider. A second "Connect" of the same company must renew its row and never make a rival, because a provider may
-- end the older grant: hence the unique key over (provider, environment, company).

create table accounts (
    id          uuid primary key,
    name        text not null,
    owner_name  text not null,
    owner_email text not null,
    created_at  timestamptz not null,
    constraint accounts_name_key unique (name),
    constraint accounts_name_filled check (length(btrim(name)) > 0),
    constraint accounts_owner_email_plausible check (position('@' in owner_email) > 1)
);

create table connections (
    id                uuid primary key,
    account_id        uuid not null references accounts (id),
    provider          text not null check (provider in ('quickbooks', 'hubspot')),
    environment       text not null check (environment in ('production', 'sandbox')),
    company_id        text not null,
    company_name      text not null,
    status            text not null check (status in ('connected', 'failing', 'lapsed', 'disconnected')),
    -- Why only the owner can repair it; set exactly while it is lapsed.
    cause             text check (cause in ('revoked', 'inactivity_expired', 'hard_cap_reached', 'reply_lost',
                                          'permission_lost', 'subscription_lapsed', 'portal_deleted')),
    -- The rule, the provider's code and correlation id, and the generation that were judged.
    evidence          jsonb,
    status_changed_at timestamptz not null,
    connected_at      timestamptz not null,
    constraint connections_company_key unique (provider, environment, company_id),
    constraint connections_cause_when_lapsed check ((status = 'lapsed') = (cause is not null))
);

-- An account has one company at each provider; more of them are accounts of their own.
create unique index connections_account_provider_key on connections (account_id, provider)
    where status <> 'disconnected';
