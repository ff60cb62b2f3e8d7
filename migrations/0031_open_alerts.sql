-- The dashboard shows the open alerts first, the latest of them on top, and pages through the rest. That must cost what is
-- open, not what was ever told.
create index alerts_open on alerts (id) where resolved_at is null;
