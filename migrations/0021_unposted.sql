-- What is not posted is little and asked for all the time; what is posted is nearly everything and changes once. Indexes
-- over the status made that one change a change in every index of the orders. Now the few stand in a table of their own,
-- kept true by triggers whoever writes, and no index of the orders names a column that changes when an order is posted:
-- its new version fits beside the old one and needs no entry anywhere.
create table unposted (
    order_id    uuid primary key,
    account_id  uuid not null,
    position    bigint not null,
    status      text not null check (status <> 'posted'),
    received_at timestamptz not null
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01);

create index unposted_waiting on unposted (account_id, position) where status = 'queued';
create index unposted_by_status on unposted (status, received_at, position);

insert into unposted (order_id, account_id, position, status, received_at)
select id, account_id, position, status, received_at from orders where status <> 'posted';

create function orders_came_in() returns trigger language plpgsql as $$
begin
    insert into unposted (order_id, account_id, position, status, received_at)
    select id, account_id, position, status, received_at from came_in where status <> 'posted';
    return null;
end $$;

create function orders_changed() returns trigger language plpgsql as $$
begin
    delete from unposted u using changed c where u.order_id = c.id and c.status = 'posted';
    insert into unposted as u (order_id, account_id, position, status, received_at)
    select id, account_id, position, status, received_at from changed where status <> 'posted'
    on conflict (order_id) do update
        set position = excluded.position, status = excluded.status, received_at = excluded.received_at
        where (u.position, u.status, u.received_at) <> (excluded.position, excluded.status, excluded.received_at);
    return null;
end $$;

create trigger orders_came_in after insert on orders
    referencing new table as came_in for each statement execute function orders_came_in();
create trigger orders_changed after update on orders
    referencing new table as changed for each statement execute function orders_changed();

drop index orders_waiting;
drop index orders_unposted;
-- That an order has one document is the key of the documents.
drop index orders_one_document;
drop index orders_prunable;
create index orders_prunable on orders (received_at) where pruned_at is null;
-- Half of a page is left for what becomes of the orders on it: a page that came in together is posted together.
alter table orders set (fillfactor = 50);
