-- An owner whose link has run out may ask for a fresh one by mail: an alert that is over when it begins, so that its mail
-- goes the way of all mails. What was told last of an incident is looked up by its name, open or not.
alter table alerts drop constraint alerts_kind_check;
alter table alerts add constraint alerts_kind_check check (kind in (
    'connection_lapsed', 'operator_fault', 'outage', 'token_set_aside', 'hard_cap_near', 'refresh_window_near',
    'restore_fence', 'orders_parked', 'orders_for_owner', 'lapse_storm', 'recipient_refused', 'smtp_away', 'link_asked'));
create index alerts_by_incident on alerts (incident, opened_at desc);

-- When the last reading began that came to the portal's end: only what was read can be said to be caught up.
alter table intakes add column read_at timestamptz;
