//! How long a provider asked us to wait.
//!
//! `Retry-After` is either seconds or a date. A date is measured against the reply's own `Date` header, because our
//! clock and theirs need not agree; without that header a date says nothing we can trust and is ignored.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// No pause is longer than this, whatever a header says. HubSpot names up to a day while it moves an account.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The pause the reply asks for, at most a day.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let asked = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !asked.is_empty() && asked.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds is still a number, and a long one.
        let pause = asked.parse().map_or(LONGEST, Duration::from_secs);
        return Some(pause.min(LONGEST));
    }
    let until = httpdate::parse_http_date(asked).ok()?;
    let sent = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?.trim()).ok()?;
    Some(until.duration_since(sent).unwrap_or_default().min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn asked(retry: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(retry).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        retry_after(&headers)
    }

    #[test]
    fn seconds_are_taken_and_clamped_to_a_day() {
        assert_eq!(asked("30", None), Some(Duration::from_secs(30)));
        assert_eq!(asked(" 0 ", None), Some(Duration::ZERO));
        assert_eq!(asked("86401", None), Some(LONGEST));
        assert_eq!(asked("99999999999999999999999", None), Some(LONGEST));
    }

    #[test]
    fn a_date_counts_from_the_replys_own_date() {
        let date = Some("Fri, 09 Jan 2026 10:00:00 GMT");
        assert_eq!(asked("Fri, 09 Jan 2026 10:01:30 GMT", date), Some(Duration::from_secs(90)));
        assert_eq!(asked("Fri, 09 Jan 2026 09:00:00 GMT", date), Some(Duration::ZERO));
        assert_eq!(asked("Fri, 09 Jan 2099 09:00:00 GMT", date), Some(LONGEST));
        assert_eq!(asked("Fri, 09 Jan 2026 10:01:30 GMT", None), None);
    }

    #[test]
    fn anything_else_is_ignored() {
        for odd in ["", "-5", "1.5", "soon", "10s"] {
            assert_eq!(asked(odd, Some("Fri, 09 Jan 2026 10:00:00 GMT")), None, "{odd}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
