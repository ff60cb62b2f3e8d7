-- Sealed tokens with their clocks, their generation and their lease; and the ledger of every use of a refresh token.
-- The ledger row is committed before the token is spent, so a crash leaves evidence instead of a riddle.

create table tokens (
    connection_id           uuid primary key references connections (id),
    generation              bigint not null check (generation > 0),
    access_sealed           text not null,
    refresh_sealed          text not null,
    -- Tells two refresh token values apart without showing either.
    refresh_fingerprint     text not null,
    -- Which of our apps, in which environment, the tokens were issued to: another one must not spend them.
    issued_to               text not null,
    access_expires_at       timestamptz not null,
    refresh_expires_at      timestamptz,
    refresh_hard_expires_at timestamptz,
    renewed_at              timestamptz not null,
    -- When the keeper takes it up next. Null while there is nothing to renew (lapsed, disconnected, set aside).
    renew_at                timestamptz,
    failures                integer not null default 0,
    -- The lease uses the database's clock: daemons share it.
    lease_until             timestamptz,
    leased_by               text,
    fence                   bigint not null default 0,
    constraint tokens_lease_has_holder check ((lease_until is null) = (leased_by is null))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01);

create index tokens_due on tokens (renew_at) where renew_at is not null;

create table spends (
    id             bigint generated always as identity primary key,
    connection_id  uuid not null references connections (id),
    generation     bigint not null,
    fence          bigint not null,
    fingerprint    text not null,
    daemon         text not null,
    started_at     timestamptz not null,
    finished_at    timestamptz,
    -- Null while it is open. 'unknown': sent, and nobody knows what became of it.
    outcome        text check (outcome in ('renewed', 'adopted', 'transient', 'unknown', 'operator_fault', 'dead_grant',
                                           'set_aside', 'discarded')),
    status         integer,
    code           text,
    rule           text,
    correlation_id text,
    constraint spends_finished_with_outcome check ((finished_at is null) = (outcome is null))
);

create index spends_by_connection on spends (connection_id, id desc);
create index spends_unsettled on spends (connection_id, generation) where finished_at is null or outcome = 'unknown';

-- Which vault keys this database depends on: a daemon that lacks one of them must not start.
create table vault_keys (
    id            text primary key,
    -- A known text sealed under the key: opens only with the very key.
    canary_sealed text not null,
    first_used_at timestamptz not null
);

-- One authorization in progress in somebody's browser. Only hashes are kept.
create table oauth_states (
    state_hash   bytea primary key,
    browser_hash bytea not null,
    account_id   uuid not null references accounts (id),
    provider     text not null check (provider in ('quickbooks', 'hubspot')),
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    used_at      timestamptz
);

create index oauth_states_expired on oauth_states (expires_at);
