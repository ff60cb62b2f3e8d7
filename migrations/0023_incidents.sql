-- Incidents in people's hands. Somebody may say "I know" (acknowledged), "not before then" (snoozed) or "it is over"
-- (resolved by hand); who it was and when stands here, and every deed in the audit log. An owner who does not repair a
-- connection is reminded on a ladder, so a mail of one step has a number, and an alert says which rung was reached. Further
-- kinds: orders that wait for a person, owners' mails that are held back because very many connections lapsed at once, and
-- mail itself that does not arrive.

alter table alerts
    add column acknowledged_at timestamptz,
    add column acknowledged_by text,
    add column snoozed_until   timestamptz,
    add column snoozed_by      text,
    -- Null when it ended by itself.
    add column resolved_by     text,
    -- The last rung of the ladder that was taken; 0 before the first.
    add column reminded        integer not null default 0,
    add constraint alerts_acknowledged_by_somebody check ((acknowledged_at is null) = (acknowledged_by is null)),
    add constraint alerts_snoozed_by_somebody check ((snoozed_until is null) = (snoozed_by is null)),
    add constraint alerts_resolved_by_hand_is_resolved check (resolved_by is null or resolved_at is not null);

alter table alerts drop constraint alerts_kind_check;
alter table alerts add constraint alerts_kind_check check (kind in (
    'connection_lapsed', 'operator_fault', 'outage', 'token_set_aside', 'hard_cap_near', 'refresh_window_near',
    'restore_fence', 'orders_parked', 'orders_for_owner', 'lapse_storm', 'recipient_refused', 'smtp_away'));

-- Lapses that are open, for the ladder; and those of the last hour at a provider, for the storm brake.
create index alerts_open_lapses on alerts (opened_at) where resolved_at is null and kind = 'connection_lapsed';
create index alerts_lapses on alerts (provider, opened_at) where kind = 'connection_lapsed';

create index alerts_storms on alerts (provider, resolved_at) where kind = 'lapse_storm';
create index alerts_open_by_kind on alerts (kind) where resolved_at is null;

alter table mails add column number integer not null default 0;
alter table mails drop constraint mails_one_per_step;
alter table mails add constraint mails_one_per_step unique (alert_id, step, number);

-- What was done about one alert.
create index audit_log_of_alert on audit_log ((detail ->> 'alert_id'), id desc) where detail ->> 'alert_id' is not null;

-- Mails about lapses that nobody gets before the operator has decided: the alert of the storm says since when.
create view held_mails as
select m.id, l.provider
from mails m join alerts l on l.id = m.alert_id
     join alerts s on s.kind = 'lapse_storm' and s.resolved_at is null and s.provider = l.provider
where m.sent_at is null and m.step <> 'resolved' and l.kind = 'connection_lapsed'
  and l.opened_at >= (s.detail ->> 'since')::timestamptz;
