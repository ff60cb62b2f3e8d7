//! Everything that is sealed in the tables, by the key that sealed it: the tokens here, the secrets of webhooks in
//! `webhooks`. A vault key's canary stays under its own key, and replies on disk become tokens when they are replayed.

use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// The sealed texts of a row.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Whose tokens.
    pub connection_id: Uuid,
    /// The access token.
    pub access_sealed: String,
    /// The refresh token.
    pub refresh_sealed: String,
}

/// How many rows hold something that a key sealed, by key id; the empty id stands for what names no key. Reads the whole
/// table.
///
/// # Errors
/// Database trouble.
pub async fn count_by_key(conn: &mut PgConnection) -> Result<Vec<(String, u64)>, Error> {
    let rows = sqlx::query!(
        r#"select sealed.key_id as "key_id!", count(*) as "count!" from tokens t
           cross join lateral (select split_part(t.access_sealed, '.', 2) as key_id
                               union select split_part(t.refresh_sealed, '.', 2)) sealed
           group by 1
           union all
           select split_part(w.secret_sealed, '.', 2), count(*) from webhooks w group by 1
           order by 1"#
    )
    .fetch_all(conn)
    .await?;
    let mut by_key: Vec<(String, u64)> = Vec::new();
    for row in rows {
        match by_key.last_mut().filter(|(key_id, _)| *key_id == row.key_id) {
            Some((_, count)) => *count += row.count.unsigned_abs(),
            None => by_key.push((row.key_id, row.count.unsigned_abs())),
        }
    }
    Ok(by_key)
}

/// The next rows after `after` that are not wholly sealed under `key_id`, by id.
///
/// # Errors
/// Database trouble.
pub async fn under_other_keys(
    conn: &mut PgConnection,
    key_id: &str,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Sealed>, Error> {
    Ok(sqlx::query_as!(
        Sealed,
        "select connection_id, access_sealed, refresh_sealed from tokens
         where connection_id > $2
           and (split_part(access_sealed, '.', 2) <> $1 or split_part(refresh_sealed, '.', 2) <> $1)
         order by connection_id limit $3",
        key_id,
        after,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// Puts newly sealed texts in the place of those they were made from, and says in how many rows. A row whose texts are
/// others by now is left alone. Generation, fence and lease are not touched: a renewal under way notices nothing.
///
/// # Errors
/// Database trouble.
pub async fn replace(conn: &mut PgConnection, old: &[Sealed], new: &[Sealed]) -> Result<u64, Error> {
    let ids: Vec<_> = old.iter().map(|row| row.connection_id).collect();
    let text = |rows: &[Sealed], pick: fn(&Sealed) -> &String| rows.iter().map(pick).cloned().collect::<Vec<_>>();
    let done = sqlx::query!(
        "update tokens t set access_sealed = n.new_access, refresh_sealed = n.new_refresh
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
              as n (connection_id, old_access, old_refresh, new_access, new_refresh)
         where t.connection_id = n.connection_id
           and t.access_sealed = n.old_access and t.refresh_sealed = n.old_refresh",
        &ids,
        &text(old, |row| &row.access_sealed),
        &text(old, |row| &row.refresh_sealed),
        &text(new, |row| &row.access_sealed),
        &text(new, |row| &row.refresh_sealed)
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
