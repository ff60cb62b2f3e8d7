-- Ending a connection takes two writers that cannot commit together: this database and the provider. The row is written
-- with our own end of it, before the provider is told, so that a crash or an outage in between leaves something to find:
-- a grant that still lives there although nobody here uses it.

create table farewells (
    connection_id  uuid not null references connections (id),
    -- The generation that the ended tokens were given. A reconnect has a later one, and with it this row is history.
    generation     bigint not null,
    begun_at       timestamptz not null,
    attempts       integer not null default 0,
    tried_at       timestamptz,
    -- Null while the grant may still live at the provider.
    given_back_at  timestamptz,
    -- What the provider said last.
    status         integer,
    rule           text,
    code           text,
    correlation_id text,
    primary key (connection_id, generation)
);

create index farewells_open on farewells (begun_at) where given_back_at is null;

-- Ended connections of an account are found by index too, and so is what was told about one connection.
create index connections_by_account on connections (account_id, provider);
create index alerts_by_connection on alerts (connection_id, opened_at desc) where connection_id is not null;
