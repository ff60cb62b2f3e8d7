-- Who may look into the dashboard and act there. A session is known to the browser by a random token, of which only the
-- hash is here: whoever reads the table cannot use it.
create table operators (
    id            uuid primary key,
    name          text not null,
    role          text not null check (role in ('viewer', 'operator')),
    -- Argon2id; absent for somebody who comes through the proxy's sign-on only.
    password_hash text,
    created_at    timestamptz not null,
    disabled_at   timestamptz
);

create unique index operators_by_name on operators (lower(name));

create table sessions (
    id          uuid primary key,
    token_hash  bytea not null unique,
    operator_id uuid not null references operators (id),
    created_at  timestamptz not null,
    expires_at  timestamptz not null
);

create index sessions_of_operator on sessions (operator_id);
