-- A provider's token endpoint and its API stand on different machines and fail apart: an API that is down must not stop
-- renewals, and a token endpoint that is down must not stop orders whose access tokens still work.

alter table outages add column endpoint text not null default 'api' check (endpoint in ('tokens', 'api'));
alter table outages alter column endpoint drop default;
drop index outages_one_open;
create unique index outages_one_open on outages (provider, endpoint) where closed_at is null;
drop index outages_recent;
create index outages_recent on outages (provider, endpoint, opened_at desc);

alter table provider_health add column endpoint text not null default 'api' check (endpoint in ('tokens', 'api'));
alter table provider_health alter column endpoint drop default;
alter table provider_health drop constraint provider_health_pkey;
alter table provider_health add primary key (provider, endpoint);

update alerts set incident = incident || '/api' where kind = 'outage';
