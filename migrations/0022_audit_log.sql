-- What people and their programs did by hand, and who: pages, the API and the command line write here, in the transaction
-- of the deed.
create table audit_log (
    id         bigint generated always as identity primary key,
    at         timestamptz not null,
    -- Such as `operator ada`, `api key lamp_12ab34cd`, `command line root@books1`, `owner`.
    actor      text not null,
    -- Noun and verb, such as `order.retry`.
    action     text not null,
    account_id uuid,
    -- What it was done to, as people call it.
    subject    text not null,
    detail     jsonb not null default '{}'
);

create index audit_log_of_account on audit_log (account_id, id desc) where account_id is not null;
