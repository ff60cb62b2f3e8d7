-- A grant can live on while the refresh token we hold is dead, because a newer one has taken its place. Owners are told
-- so, instead of being told that somebody disconnected the app.

alter table connections drop constraint connections_cause_check;
alter table connections add constraint connections_cause_check
    check (cause in ('revoked', 'inactivity_expired', 'hard_cap_reached', 'reply_lost', 'replaced', 'permission_lost',
                     'subscription_lapsed', 'portal_deleted'));
