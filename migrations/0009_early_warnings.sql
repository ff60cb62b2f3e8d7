-- Warning people while there is still time: an owner before the hard cap of a grant, which nothing of ours can move, and
-- the operator before refresh windows run out that nothing renews. An alert says which end it tells of and when that is
-- looked at again, so the tokens themselves carry no state of a warning and whoever writes them need not know of it.

alter table alerts drop constraint alerts_kind_check;
alter table alerts add constraint alerts_kind_check check (kind in
    ('connection_lapsed', 'operator_fault', 'outage', 'token_set_aside', 'hard_cap_near', 'refresh_window_near'));

-- The end that a warning tells of, and when its next step is due. Null for every other kind.
alter table alerts add column ends_at timestamptz, add column remind_at timestamptz;
alter table alerts add constraint alerts_warning_has_an_end
    check ((kind in ('hard_cap_near', 'refresh_window_near')) = (ends_at is not null));

create index alerts_remind on alerts (remind_at) where resolved_at is null and remind_at is not null;
create index alerts_open_caps on alerts (connection_id) where resolved_at is null and kind = 'hard_cap_near';

alter table mails drop constraint mails_step_check;
alter table mails add constraint mails_step_check check (step in ('opened', 'reminder', 'last_call', 'resolved'));

-- Both ends are read as a range, so a round touches what is near its end and not what is stored.
create index tokens_hard_cap on tokens (refresh_hard_expires_at) where renew_at is not null;
-- A window that the hard cap cuts short is the hard cap's to warn of.
create index tokens_window on tokens (refresh_expires_at)
    where renew_at is not null and refresh_expires_at is not null
      and (refresh_hard_expires_at is null or refresh_hard_expires_at - refresh_expires_at > interval '1 day');

create index connections_lapsed on connections (status_changed_at) where status = 'lapsed';
