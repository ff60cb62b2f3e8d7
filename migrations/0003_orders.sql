-- One row per order and revision on its way to one QuickBooks document. The request id and the document number are
-- fixed here, when the revision is queued, so that every later try is recognisably the same one.

create table intakes (
    connection_id uuid primary key references connections (id),
    -- When the portal was first connected: what was created there before is not ours to book.
    opened_at     timestamptz not null,
    -- Everything modified up to this instant is stored; the next poll starts a little before it.
    modified_to   timestamptz not null,
    poll_at       timestamptz not null,
    failures      integer not null default 0,
    lease_until   timestamptz,
    leased_by     text,
    fence         bigint not null default 0,
    check ((lease_until is null) = (leased_by is null))
);

create index intakes_due on intakes (poll_at);

create table lanes (
    connection_id uuid primary key references connections (id),
    -- When a worker takes it up next: now, or later after a failure. Null while no order waits in it.
    resume_at     timestamptz,
    -- Counts the batches that came in, so that a worker that found the lane empty sees one that came in meanwhile.
    arrivals      bigint not null default 0,
    failures      integer not null default 0,
    lease_until   timestamptz,
    leased_by     text,
    fence         bigint not null default 0,
    check ((lease_until is null) = (leased_by is null))
);

create index lanes_due on lanes (resume_at) where resume_at is not null;

create table orders (
    id              uuid primary key,
    -- The order of arrival, which is the order of posting within an account.
    position        bigint generated always as identity,
    account_id      uuid not null references accounts (id),
    source_id       uuid not null references connections (id),
    external_id     text not null,
    -- A hash over what becomes part of the document: an unrelated edit keeps it.
    revision        text not null,
    name            text not null,
    total           numeric,
    currency        text,
    content         jsonb not null,
    modified_at     timestamptz not null,
    received_at     timestamptz not null,
    request_id      uuid not null,
    document_number text not null check (length(document_number) <= 21),
    status          text not null check (status in ('queued', 'posted', 'parked', 'superseded')),
    attempts        integer not null default 0,
    last_message    text,
    remedy          text,
    document_id     text,
    posted_at       timestamptz,
    constraint orders_revision_key unique (source_id, external_id, revision),
    constraint orders_posted_with_document check ((status = 'posted') = (document_id is not null))
) with (autovacuum_vacuum_scale_factor = 0.01);

create index orders_waiting on orders (account_id, position) where status = 'queued';
create index orders_unsettled on orders (status) where status in ('queued', 'parked');
-- However it came to be: an order never has two documents.
create unique index orders_one_document on orders (source_id, external_id) where status = 'posted';
create index orders_recent on orders (received_at desc);

create table order_attempts (
    id             bigint generated always as identity primary key,
    order_id       uuid not null references orders (id),
    daemon         text not null,
    started_at     timestamptz not null,
    finished_at    timestamptz,
    outcome        text check (outcome in ('posted', 'adopted', 'transient', 'unknown', 'parked', 'held')),
    status         integer,
    code           text,
    message        text,
    correlation_id text
);

create index order_attempts_open on order_attempts (order_id) where finished_at is null;
create index order_attempts_by_order on order_attempts (order_id, id desc);

-- What was once found or created in a company, so that a steady stream costs no metered reads.
create table quickbooks_names (
    connection_id uuid not null references connections (id),
    kind          text not null check (kind in ('customer', 'item', 'account', 'home_currency')),
    name_key      text not null,
    reference_id  text not null,
    primary key (connection_id, kind, name_key)
);
