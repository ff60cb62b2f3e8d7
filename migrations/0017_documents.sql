-- What we last wrote into QuickBooks for an order, so that a later revision changes that document, and only as long as
-- nobody else has changed it meanwhile. Each further document of an order, a refund, has a row of its own, which is
-- written before anything is sent: its request id is then known to every later try.

create table documents (
    source_id       uuid not null references sources (id),
    external_id     text not null,
    -- 0 is the sale, 1 and more are its refunds.
    part            smallint not null check (part >= 0),
    -- The QuickBooks company that it stands in.
    connection_id   uuid not null references connections (id),
    kind            text not null check (kind in ('sales_receipt', 'invoice', 'refund_receipt')),
    document_number text not null check (length(document_number) <= 21),
    request_id      uuid not null,
    -- The revision whose content stands there, or that asked for the refund. Null when it is no longer kept.
    order_id        uuid references orders (id) on delete set null,
    -- Null until QuickBooks has said that it is made.
    document_id     text,
    -- What stood there after our last write. Null when somebody changed it before we could read that.
    sync_token      text,
    fingerprint     text,
    total           numeric,
    written_at      timestamptz,
    void_request_id uuid,
    voided_at       timestamptz,
    primary key (source_id, external_id, part),
    check (voided_at is null or void_request_id is not null)
);

-- A revision that is cleaned away must find its documents.
create index documents_by_order on documents (order_id);

-- What was posted before was written once, so it stands at its first token unless somebody changed it.
insert into documents (source_id, external_id, part, connection_id, kind, document_number, request_id, order_id,
                       document_id, sync_token, total, written_at)
select distinct on (o.source_id, o.external_id) o.source_id, o.external_id, 0, c.id, 'sales_receipt', o.document_number,
       o.request_id, o.id, o.document_id, '0', o.total, o.posted_at
from orders o join connections c on c.account_id = o.account_id and c.provider = 'quickbooks'
where o.status = 'posted'
order by o.source_id, o.external_id, c.id;
