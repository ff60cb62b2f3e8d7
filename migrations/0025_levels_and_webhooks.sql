-- Two things that people and their programs look at. First: whoever asks how it stands, a person at night or a scraper every
-- few seconds, must not walk over every connection to find the few that do not work.
create index connections_by_status on connections (provider, status);
create index connections_failing on connections (status_changed_at) where status = 'failing';

-- Second: services of the operator's own are told what happened. What they are told is written in the transaction of its
-- cause, so that nothing is told that did not happen and nothing that happened is forgotten; who tells them comes later.
create table webhooks (
    id              uuid primary key,
    url             text not null,
    events          text[] not null check (cardinality(events) > 0 and events <@ array[
        'connection.lapsed', 'connection.recovered', 'order.posted', 'order.parked']),
    secret_sealed   text not null,
    created_at      timestamptz not null,
    -- Set when the endpoint has said that it is gone: nothing is written for it from then on.
    switched_off_at timestamptz,
    -- The operator was told that something never arrived there, and not yet that the endpoint takes messages again.
    alerted         boolean not null default false,
    constraint webhooks_url_key unique (url)
);

create table webhook_deliveries (
    -- The receiver's key against repeats: the same for every try.
    id           uuid primary key,
    webhook_id   uuid not null references webhooks (id) on delete cascade,
    event        text not null,
    payload      jsonb not null,
    created_at   timestamptz not null,
    send_at      timestamptz not null,
    attempts     integer not null default 0,
    lease_until  timestamptz,
    leased_by    text,
    fence        bigint not null default 0,
    -- What the endpoint answered last, and what went wrong.
    last_status  integer,
    last_error   text,
    delivered_at timestamptz,
    given_up_at  timestamptz,
    constraint webhook_deliveries_lease_has_holder check ((lease_until is null) = (leased_by is null)),
    constraint webhook_deliveries_end_once check (delivered_at is null or given_up_at is null)
) with (autovacuum_vacuum_scale_factor = 0.01);

-- Each endpoint has a queue of its own, so that a slow one delays no other.
create index webhook_deliveries_due on webhook_deliveries (webhook_id, send_at)
    where delivered_at is null and given_up_at is null;
create index webhook_deliveries_recent on webhook_deliveries (created_at);
