-- What becomes of a mail after it was put on its way. A server may take a mail and not say so in time: such a mail was
-- probably taken, so it is not sent again and again (`unanswered` counts). A mail that fails while others go through is its
-- recipient's trouble and not the server's, so it must be known since when it fails. And a mail that was taken may come back.

alter table mails
    -- Since when it fails; null when nothing is wrong with it.
    add column failing_since timestamptz,
    -- When it failed last: which of several errors is the latest.
    add column failed_at     timestamptz,
    -- How often its content was sent and no answer came.
    add column unanswered    integer not null default 0,
    -- When it came back although the server had taken it.
    add column bounced_at    timestamptz;

-- Whether others went through meanwhile.
create index mails_sent on mails (sent_at) where sent_at is not null;
-- Whose mail came back, where only the address is told; and what is wrong with an address.
create index mails_by_recipient on mails (lower(recipient));
