-- Links that were made for an owner up to this moment are not honoured any more.
alter table accounts add column links_revoked_at timestamptz;
