//! The last day in numbers, for charts.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Error;

/// What happened in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// When it began.
    pub from: DateTime<Utc>,
    /// What went well.
    pub good: i64,
    /// What did not.
    pub bad: i64,
}

/// Renewals of each hour from `since` up to `until`, hours in which nothing happened among them.
///
/// # Errors
/// Database trouble.
pub async fn renewals(conn: &mut PgConnection, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Hour>, Error> {
    Ok(sqlx::query_as!(
        Hour,
        r#"with counted as (
               select date_bin('1 hour', started_at, $1) as hour,
                      count(*) filter (where outcome in ('renewed', 'adopted')) as good,
                      count(*) filter (where outcome not in ('renewed', 'adopted', 'discarded')) as bad
               from spends where started_at >= $1 and started_at < $2 group by 1
           )
           select h as "from!", coalesce(good, 0) as "good!", coalesce(bad, 0) as "bad!"
           from generate_series($1, $2::timestamptz - interval '1 second', interval '1 hour') h
           left join counted on hour = h order by h"#,
        since,
        until
    )
    .fetch_all(conn)
    .await?)
}

/// Attempts to post an order, in the same way.
///
/// # Errors
/// Database trouble.
pub async fn orders(conn: &mut PgConnection, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Hour>, Error> {
    Ok(sqlx::query_as!(
        Hour,
        r#"with counted as (
               select date_bin('1 hour', started_at, $1) as hour,
                      count(*) filter (where outcome in ('posted', 'adopted')) as good,
                      count(*) filter (where outcome not in ('posted', 'adopted')) as bad
               from order_attempts where started_at >= $1 and started_at < $2 group by 1
           )
           select h as "from!", coalesce(good, 0) as "good!", coalesce(bad, 0) as "bad!"
           from generate_series($1, $2::timestamptz - interval '1 second', interval '1 hour') h
           left join counted on hour = h order by h"#,
        since,
        until
    )
    .fetch_all(conn)
    .await?)
}

/// How many connections that work have access tokens with so much left: none, up to 10 minutes, half an hour, an hour, 6 hours,
/// more.
///
/// # Errors
/// Database trouble.
pub async fn tokens_left(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<[i64; 6], Error> {
    let row = sqlx::query!(
        r#"select count(*) filter (where left_over <= interval '0') as "none!",
                  count(*) filter (where left_over > interval '0' and left_over <= interval '10 minutes') as "minutes!",
                  count(*) filter (where left_over > interval '10 minutes' and left_over <= interval '30 minutes') as "half!",
                  count(*) filter (where left_over > interval '30 minutes' and left_over <= interval '1 hour') as "hour!",
                  count(*) filter (where left_over > interval '1 hour' and left_over <= interval '6 hours') as "hours!",
                  count(*) filter (where left_over > interval '6 hours') as "more!"
           from (select t.access_expires_at - $1::timestamptz as left_over
                 from tokens t join connections c on c.id = t.connection_id
                 where c.status in ('connected', 'failing')) l"#,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok([row.none, row.minutes, row.half, row.hour, row.hours, row.more])
}
