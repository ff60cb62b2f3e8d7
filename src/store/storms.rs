//! The storm brake: very many connections of one provider that lapse at once are rather one mistake than many, so their
//! owners' mails wait until the operator has looked.
//!
//! Which mails are held is a view over the open alert of a storm: nothing is marked, so nothing can be forgotten. Lapses
//! that a person decided about count towards no later storm.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;
use crate::provider::{Cause, Provider};

/// A provider at which more lapsed than should.
#[derive(Debug)]
pub struct Brewing {
    /// Where.
    pub provider: Provider,
    /// The first lapse of the last hour.
    pub since: DateTime<Utc>,
    /// How many there were.
    pub lapses: i64,
}

/// Providers with more than `most` lapses since `window`, of which no open storm tells.
///
/// # Errors
/// Database trouble.
pub async fn brewing(conn: &mut PgConnection, window: DateTime<Utc>, most: i64) -> Result<Vec<Brewing>, Error> {
    Ok(sqlx::query_as!(
        Brewing,
        r#"select p.provider as "provider!: Provider", w.since as "since!", w.lapses as "lapses!"
           from (values ('quickbooks'), ('hubspot')) as p (provider)
                cross join lateral (
                    select min(l.opened_at) as since, count(*) as lapses from alerts l
                    where l.kind = 'connection_lapsed' and l.provider = p.provider and l.opened_at > $1
                      and l.opened_at > coalesce((select max(s.resolved_at) from alerts s
                                                  where s.kind = 'lapse_storm' and s.provider = p.provider), '-infinity')
                ) w
           where w.lapses > $2
             and not exists (select from alerts s
                             where s.kind = 'lapse_storm' and s.provider = p.provider and s.resolved_at is null)"#,
        window,
        most
    )
    .fetch_all(conn)
    .await?)
}

/// The incident of a provider's storm.
pub fn incident(provider: Provider) -> String {
    format!("lapse_storm/{provider}")
}

/// How a storm stands.
#[derive(Clone, Debug, Default)]
pub struct Strength {
    /// Connections that lapsed since it began and are not repaired, by cause, the most frequent first.
    pub causes: Vec<(Cause, i64)>,
    /// Mails that are held.
    pub held: i64,
}

/// How a storm that began then stands.
///
/// # Errors
/// Database trouble.
pub async fn strength(conn: &mut PgConnection, provider: Provider, since: DateTime<Utc>) -> Result<Strength, Error> {
    let rows = sqlx::query!(
        r#"select c.cause as "cause!: Cause", count(*) as "count!"
           from alerts l join connections c on c.id = l.connection_id
           where l.kind = 'connection_lapsed' and l.provider = $1 and l.opened_at >= $2 and l.resolved_at is null
             and c.cause is not null
           group by c.cause order by count(*) desc, c.cause"#,
        provider as Provider,
        since
    )
    .fetch_all(&mut *conn)
    .await?;
    let held =
        sqlx::query_scalar!(r#"select count(*) as "count!" from held_mails where provider = $1"#, provider as Provider)
            .fetch_one(conn)
            .await?;
    Ok(Strength { causes: rows.into_iter().map(|row| (row.cause, row.count)).collect(), held })
}

/// An open storm.
#[derive(Debug)]
pub struct Open {
    /// Its alert.
    pub alert_id: Uuid,
    /// Where.
    pub provider: Provider,
    /// Mails that are held.
    pub held: i64,
    /// The latest lapse.
    pub last_at: Option<DateTime<Utc>>,
}

/// The open storms. They stay locked until the transaction ends.
///
/// # Errors
/// Database trouble.
pub async fn open_ones(conn: &mut PgConnection) -> Result<Vec<Open>, Error> {
    Ok(sqlx::query_as!(
        Open,
        r#"select s.id as alert_id, s.provider as "provider!: Provider",
                  (select count(*) from held_mails h where h.provider = s.provider) as "held!",
                  (select max(l.opened_at) from alerts l where l.kind = 'connection_lapsed' and l.provider = s.provider)
                      as last_at
           from alerts s where s.kind = 'lapse_storm' and s.resolved_at is null for update"#
    )
    .fetch_all(conn)
    .await?)
}

/// Throws the held mails of a provider away, and lets nobody be reminded of what they were about.
///
/// # Errors
/// Database trouble.
pub async fn drop_held(
    conn: &mut PgConnection,
    provider: Provider,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"with dropped as (
               delete from mails m using held_mails h
               where h.id = m.id and h.provider = $1 and (m.lease_until is null or m.lease_until < clock_timestamp())
               returning m.alert_id
           ), quiet as (
               update alerts l set acknowledged_at = $3, acknowledged_by = $2 from dropped d where l.id = d.alert_id
           )
           select count(*) as "count!" from dropped"#,
        provider as Provider,
        actor,
        now
    )
    .fetch_one(conn)
    .await?)
}
