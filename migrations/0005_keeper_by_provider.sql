-- Each provider's tokens are renewed by themselves, so that one provider that hangs or is down delays no other: the
-- provider stands in the row and leads the index, and a round never walks over the other one's backlog.

alter table tokens add column provider text check (provider in ('quickbooks', 'hubspot'));
update tokens t set provider = c.provider from connections c where c.id = t.connection_id;
alter table tokens alter column provider set not null;

drop index tokens_due;
create index tokens_due on tokens (provider, renew_at) where renew_at is not null;

-- Leases that ran out are looked for at every round; only rows under a lease are in here.
create index tokens_leased on tokens (lease_until) where lease_until is not null;
