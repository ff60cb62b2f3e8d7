-- What a lane's worker is about is written into the lane itself, in one narrow row: the orders that it may have sent and
-- not written down yet. An attempt becomes a row of its own when it has ended, whole, together with its order. So a batch
-- costs one small update before it is sent and one statement after it, instead of two updates and two index entries for
-- each order.

alter table lanes
    -- Orders that may have been sent by the holder of the lease, and since when.
    add column under_way       uuid[],
    add column under_way_since timestamptz,
    -- Until then the provider asked us to leave the company alone: the end of an outage does not change that.
    add column not_before      timestamptz,
    -- The first order of the lane, when it fails again and again while the company answers other calls.
    add column stuck_on        uuid,
    add column stuck_tries     integer not null default 0,
    add column stuck_since     timestamptz,
    add constraint lanes_under_way check ((under_way is null) = (under_way_since is null)
                                          and (under_way is null or lease_until is not null)),
    add constraint lanes_stuck check ((stuck_on is null) = (stuck_since is null));

-- Claim, begin, finish and release write the same row: room for them in its page, and no heap of dead versions.
alter table lanes set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01);

-- What a worker of an earlier version left open is settled by a look before anything is posted again.
update order_attempts
set finished_at = now(), outcome = 'unknown', message = 'the worker ended before it could write the outcome'
where finished_at is null;

drop index if exists order_attempts_open;

-- An attempt is written by the statement that settles its order, so there is nothing left to check; the check cost more
-- than the row.
alter table order_attempts drop constraint if exists order_attempts_order_id_fkey;
