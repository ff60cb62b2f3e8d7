-- Provider-wide trouble, and what a person must be told. One open row per incident is a unique index, not a habit:
-- any number of daemons may notice the same thing.

create table provider_health (
    provider             text primary key check (provider in ('quickbooks', 'hubspot')),
    consecutive_failures integer not null,
    -- Whose calls failed: one company's trouble is not the provider's.
    connection_ids       uuid[] not null,
    first_failure_at     timestamptz not null,
    last_failure_at      timestamptz not null,
    last_message         text not null
);

create table outages (
    id        uuid primary key,
    provider  text not null check (provider in ('quickbooks', 'hubspot')),
    opened_at timestamptz not null,
    evidence  text not null,
    canary_at timestamptz not null,
    canaries  integer not null default 0,
    closed_at timestamptz
);

create unique index outages_one_open on outages (provider) where closed_at is null;
create index outages_recent on outages (provider, opened_at desc);

create table alerts (
    id            uuid primary key,
    -- Names the incident, such as 'connection_lapsed/<id>': one open alert for each.
    incident      text not null,
    kind          text not null check (kind in ('connection_lapsed', 'operator_fault', 'outage', 'token_set_aside')),
    connection_id uuid references connections (id),
    provider      text check (provider in ('quickbooks', 'hubspot')),
    detail        jsonb not null,
    opened_at     timestamptz not null,
    -- When it was last noticed: it is over only when it has been quiet for a while, for every daemon.
    seen_at       timestamptz not null,
    resolved_at   timestamptz
);

create unique index alerts_one_open on alerts (incident) where resolved_at is null;
create index alerts_recent on alerts (opened_at desc);

-- The outbox. A mail is written in the transaction of its cause and rendered when it is sent.
create table mails (
    id          uuid primary key,
    alert_id    uuid not null references alerts (id),
    step        text not null check (step in ('opened', 'resolved')),
    recipient   text not null,
    send_at     timestamptz not null,
    attempts    integer not null default 0,
    lease_until timestamptz,
    leased_by   text,
    fence       bigint not null default 0,
    last_error  text,
    sent_at     timestamptz,
    constraint mails_one_per_step unique (alert_id, step),
    constraint mails_lease_has_holder check ((lease_until is null) = (leased_by is null))
);

create index mails_due on mails (send_at) where sent_at is null;
