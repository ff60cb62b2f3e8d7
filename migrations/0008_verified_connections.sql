-- A grant can die in silence: revoked, out of rights, unpaid, while no order flows that would show it. So it is noted when
-- a grant was last seen to work, and when it is to be tried out next.

alter table connections
    -- Since the latest connect. Null until a call showed that the grant works.
    add column verified_at timestamptz,
    -- When the next probe is due. A probe that begins moves it forward: that is its lease.
    add column probe_at    timestamptz;

-- Connections from before have their first probe within a day, and not all at once.
update connections set probe_at = now() + random() * interval '1 day' where status in ('connected', 'failing');

create index connections_probe_due on connections (provider, probe_at) where status in ('connected', 'failing');
create index connections_verified on connections (coalesce(verified_at, connected_at)) where status = 'connected';
