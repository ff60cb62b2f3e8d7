//! A moment as a person writes it on a command line: a date, a time, or how long ago. What has no zone is in UTC.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

/// When.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Moment {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(DateTime<Utc>),
    /// A whole day in some zone.
    Day(NaiveDate, FixedOffset),
}

const HOW: &str = "write how long ago, such as 7d, or a date such as 2026-11-20, or a time such as 2026-11-20T14:00+02:00 (UTC without \
     a zone)";

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.to_utc()));
        }
        let (local, zone) = zone(text).ok_or(HOW)?;
        if let Ok(day) = local.parse::<NaiveDate>() {
            return Ok(Self::Day(day, zone));
        }
        for format in ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"] {
            if let Some(at) = NaiveDateTime::parse_from_str(local, format).ok().and_then(|at| instant(at, zone)) {
                return Ok(Self::At(at));
            }
        }
        humantime::parse_duration(text).map(Self::Ago).map_err(|_| HOW)
    }
}

impl Moment {
    /// Where a range that begins with it begins.
    pub(in crate::cli) fn from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Ago(ago) => {
                TimeDelta::from_std(ago).ok().and_then(|ago| now.checked_sub_signed(ago)).unwrap_or(EARLIEST)
            }
            Self::At(at) => at,
            Self::Day(day, zone) => instant(day.and_time(NaiveTime::MIN), zone).unwrap_or(EARLIEST),
        }
        .max(EARLIEST)
    }

    /// Where a range that ends with it ends, itself not included.
    pub(in crate::cli) fn to(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Day(day, zone) => Self::Day(day.checked_add_days(Days::new(1)).unwrap_or(day), zone).from(now),
            other => other.from(now),
        }
    }
}

/// Before any order; a database knows no year of four digits and a sign.
const EARLIEST: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// The text without its zone, and the zone.
fn zone(text: &str) -> Option<(&str, FixedOffset)> {
    let utc = FixedOffset::east_opt(0)?;
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return Some((local.trim_end(), utc));
    }
    let named = text.len().checked_sub(6).and_then(|at| text.get(at..).map(|zone| (at, zone)));
    match named {
        Some((at, zone)) if zone.starts_with(['+', '-']) && zone.as_bytes().get(3) == Some(&b':') => {
            Some((text[..at].trim_end(), zone.parse().ok()?))
        }
        _ => Some((text, utc)),
    }
}

fn instant(local: NaiveDateTime, zone: FixedOffset) -> Option<DateTime<Utc>> {
    local.and_local_timezone(zone).single().map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-21T22:30:00Z".parse().unwrap()
    }

    fn range(text: &str) -> (String, String) {
        let moment: Moment = text.parse().unwrap();
        let said = |at: DateTime<Utc>| at.format("%m-%d %H:%M").to_string();
        (said(moment.from(now())), said(moment.to(now())))
    }

    #[test]
    fn what_has_no_zone_is_in_utc_and_a_day_is_whole() {
        let both = |at: &str| (at.to_owned(), at.to_owned());
        assert_eq!(range("2026-11-20"), ("11-20 00:00".to_owned(), "11-21 00:00".to_owned()));
        assert_eq!(range("2026-11-20+02:00"), ("11-19 22:00".to_owned(), "11-20 22:00".to_owned()));
        assert_eq!(range("2026-11-20 -05:00"), ("11-20 05:00".to_owned(), "11-21 05:00".to_owned()));
        assert_eq!(range("2026-11-20T14:00"), both("11-20 14:00"));
        assert_eq!(range("2026-11-20 14:00Z"), both("11-20 14:00"));
        assert_eq!(range("2026-11-20T14:00+02:00"), both("11-20 12:00"));
        assert_eq!(range("2026-11-20T14:00:30-05:30"), both("11-20 19:30"));
        assert_eq!(range("7d"), both("11-14 22:30"));
        assert_eq!(range("1h 30m"), both("11-21 21:00"));
        assert_eq!("9999years".parse::<Moment>().unwrap().from(now()), EARLIEST);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "yesterday", "2026-13-01", "2026-11-20T25:00", "20.11.2026", "7", "é:00é"] {
            assert_eq!(text.parse::<Moment>(), Err(HOW), "{text}");
        }
    }
}
