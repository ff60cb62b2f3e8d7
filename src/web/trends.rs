//! The last day as small charts, drawn on the server. Counted once a minute for everybody who looks: the ledger of a large
//! deployment has half a million rows a day.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use sqlx::PgPool;

use super::pages::{Bar, Chart, Tone};
use crate::{
    store::{
        self,
        outages::{self, Outage},
        trends::{self, Hour},
    },
    words,
};

/// How long a count holds.
const FRESH: TimeDelta = TimeDelta::seconds(60);
const HOURS: i64 = 24;
/// The most outages that are drawn.
const OUTAGES: i64 = 100;
/// Words of the buckets of [`trends::tokens_left`].
const LEFT: [(&str, Tone); 6] = [
    ("ran out", Tone::Bad),
    ("up to 10 min", Tone::Warn),
    ("up to 30 min", Tone::Good),
    ("up to 1 h", Tone::Good),
    ("up to 6 h", Tone::Good),
    ("longer", Tone::Good),
];

/// Charts, and when they were drawn.
type Drawn = (DateTime<Utc>, Vec<Chart>);

/// Draws them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Trends(Arc<Mutex<Option<Drawn>>>);

impl Trends {
    /// The charts of the last day.
    ///
    /// # Errors
    /// Database trouble.
    pub(super) async fn charts(&self, pool: &PgPool, now: DateTime<Utc>) -> Result<Vec<Chart>, store::Error> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, charts)) = kept
            && (now - at).abs() < FRESH
        {
            return Ok(charts);
        }
        let charts = draw(pool, now).await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, charts.clone()));
        Ok(charts)
    }
}

async fn draw(pool: &PgPool, now: DateTime<Utc>) -> Result<Vec<Chart>, store::Error> {
    let until = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now) + TimeDelta::hours(1);
    let since = until - TimeDelta::hours(HOURS);
    let mut conn = pool.acquire().await?;
    let left = trends::tokens_left(&mut conn, now).await?;
    let renewals = trends::renewals(&mut conn, since, until).await?;
    let orders = trends::orders(&mut conn, since, until).await?;
    let outages = outages::recent(&mut conn, OUTAGES).await?;
    Ok(vec![
        tokens(left),
        hours("Renewals", &renewals, ["renewed", "not renewed"]),
        hours("Orders", &orders, ["posted", "to be tried again or parked"]),
        bands(&outages, since, now),
    ])
}

fn tokens(left: [i64; 6]) -> Chart {
    let most = left.into_iter().max().unwrap_or(0).max(1);
    let bars = LEFT.into_iter().zip(left).map(|((label, tone), n)| {
        let words = format!("{}: {}", label, words::count(n.unsigned_abs(), "connection"));
        Bar {
            good: if tone == Tone::Good { share(n, most) } else { 0 },
            bad: if tone == Tone::Good { 0 } else { share(n, most) },
            words,
        }
    });
    let said = match left.iter().sum::<i64>() {
        0 => "no connection works yet".to_owned(),
        all => {
            let late = left[0].unsigned_abs();
            let late = if late > 0 { format!(", {} ran out", words::number(late)) } else { String::new() };
            format!("{}{late}", words::count(all.unsigned_abs(), "working connection"))
        }
    };
    Chart { title: "Access tokens by time left", said, ends: ["ran out", "longer than 6 h"], bars: bars.collect() }
}

fn hours(title: &'static str, hours: &[Hour], [good, bad]: [&str; 2]) -> Chart {
    let most = hours.iter().map(|hour| hour.good + hour.bad).max().unwrap_or(0).max(1);
    let sum = |of: fn(&Hour) -> i64| hours.iter().map(of).sum::<i64>().unsigned_abs();
    let (well, ill) = (sum(|hour| hour.good), sum(|hour| hour.bad));
    let bars = hours.iter().map(|hour| Bar {
        good: share(hour.good, most),
        bad: share(hour.bad, most),
        words: format!(
            "{}: {} {good}, {} {bad}",
            hour.from.format("%H:%M UTC"),
            words::number(hour.good.unsigned_abs()),
            words::number(hour.bad.unsigned_abs())
        ),
    });
    let said = match ill {
        0 => format!("{} {good}", words::number(well)),
        _ => format!("{} {good}, {} {bad}", words::number(well), words::number(ill)),
    };
    Chart { title, said, ends: ["24 h ago", "now"], bars: bars.collect() }
}

/// Which part of each hour a provider was out.
fn bands(outages: &[Outage], since: DateTime<Utc>, now: DateTime<Utc>) -> Chart {
    let within: Vec<_> = outages.iter().filter(|outage| outage.closed_at.is_none_or(|at| at > since)).collect();
    let bars = (0..HOURS).map(|n| {
        let from = since + TimeDelta::hours(n);
        let to = from + TimeDelta::hours(1);
        let out = |outage: &&&Outage| {
            let end = outage.closed_at.unwrap_or(now).min(to);
            (end - outage.opened_at.max(from)).num_minutes().max(0)
        };
        let minutes = within.iter().map(|outage| out(&outage)).max().unwrap_or(0).min(60);
        Bar { good: 0, bad: share(minutes, 60), words: format!("{}: out for {minutes} min", from.format("%H:%M UTC")) }
    });
    let said = match within.len() {
        0 => "none in the last day".to_owned(),
        n => words::count(n as u64, "outage"),
    };
    Chart { title: "Outages", said, ends: ["24 h ago", "now"], bars: bars.collect() }
}

/// Hundredths of `most`, and at least one of them where there is anything.
fn share(n: i64, most: i64) -> i64 {
    if n == 0 { 0 } else { (n * 100 / most).max(2) }
}
