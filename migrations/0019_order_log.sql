-- The log of orders as support uses it: found by what people call them, kept for as long as the operator wants, and
-- decided on by hand.

-- Every try keeps what a person could do about it: the order itself only has the latest words.
alter table order_attempts add column remedy text;

-- Somebody decided that the order is not to be posted. It stays visible, and can be put back.
alter table orders add column skipped_at timestamptz;
-- A settled order that grew old: its content and its attempts are gone. The row itself stays, because it is what tells
-- that HubSpot's next word about the order is nothing new.
alter table orders add column pruned_at timestamptz;
alter table orders drop constraint orders_status_check;
alter table orders add constraint orders_status_check
    check (status in ('queued', 'posted', 'parked', 'superseded', 'skipped'));
alter table orders add constraint orders_skipped_with_time check ((status = 'skipped') = (skipped_at is not null));

-- The list is read by arrival, a page at a time. Within one arrival the position tells orders apart.
drop index orders_recent;
create index orders_by_arrival on orders (received_at, position);
create index orders_of_account on orders (account_id, received_at, position);
-- Nearly all are posted: those are found by arrival, and the few others here.
drop index orders_unsettled;
create index orders_unposted on orders (status, received_at, position) where status <> 'posted';
-- What people have in hand: a name, a document's number. HubSpot's id is found by the key of the revision.
create index orders_by_name on orders (lower(name) collate "C");
create index orders_by_number on orders (lower(document_number) collate "C");
create index orders_prunable on orders (received_at)
    where pruned_at is null and status in ('posted', 'superseded', 'skipped');
create index order_attempts_by_code on order_attempts (code, order_id) where code is not null;

-- How often a person decided about an order of the lane: a worker that has read the lane before must read it again.
alter table lanes add column decisions bigint not null default 0;
