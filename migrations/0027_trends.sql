-- The last day at a glance. Both tables grow at their end, so a block range index finds a day without costing an insert anything.
create index spends_by_time on spends using brin (started_at);
create index order_attempts_by_time on order_attempts using brin (started_at);
