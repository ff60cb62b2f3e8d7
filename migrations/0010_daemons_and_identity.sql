-- Who works on this database, and which database this is. A daemon beats here, so that others can tell whether it still
-- runs and which vault keys it has at hand. The identity tells the database from a restored or copied one, whose tokens
-- must not be spent until somebody says so: spending a value that was rotated since can end the grant.

create table daemons (
    name             text primary key,
    -- The data directory that it works from; several daemons may share one.
    installation_id  uuid not null,
    host             text not null,
    -- Both by the database's clock, which all daemons share.
    started_at       timestamptz not null default clock_timestamp(),
    seen_at          timestamptz not null default clock_timestamp(),
    -- Counted, because a copied row's time may lie ahead of another server's clock.
    beats            bigint not null default 1,
    -- False while it holds back: only a daemon that works proves that this database is the one in use.
    works            boolean not null,
    vault_key_ids    text[] not null,
    active_vault_key text not null,
    version          text not null
);

create table database_identity (
    one               boolean primary key default true check (one),
    database_id       uuid not null,
    -- Raised whenever somebody accepts restored tokens.
    epoch             bigint not null check (epoch > 0),
    -- The identity that a copy had before it was accepted: installations that knew that one go on by themselves.
    accepted_from     uuid,
    -- Null where our role may not read it.
    system_identifier text,
    database_oid      bigint not null,
    known_since       timestamptz not null default clock_timestamp(),
    -- What a daemon found that had seen more than this database knows; holds for every daemon until somebody resumes.
    found             jsonb,
    found_at          timestamptz,
    constraint database_identity_found_with_time check ((found is null) = (found_at is null))
);

alter table alerts drop constraint alerts_kind_check;
alter table alerts add constraint alerts_kind_check check (kind in (
    'connection_lapsed', 'operator_fault', 'outage', 'token_set_aside', 'hard_cap_near', 'refresh_window_near',
    'restore_fence'));
