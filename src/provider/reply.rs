//! A reply as it came in, and the few signs in it that a verdict may rest on.
//!
//! Reading is lenient: a provider's error may be two dialects deep, in capitals or not, with numbers as strings. What
//! cannot be read, or is said twice and differently, is no sign at all. The body is private to the readers of this
//! module and has no `Debug`, because a token reply holds tokens.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::retry_after::retry_after;

/// Where the two providers put the id that their support asks for.
const CORRELATION: [HeaderName; 2] =
    [HeaderName::from_static("intuit_tid"), HeaderName::from_static("x-hubspot-correlation-id")];

/// Under which names HubSpot lists the scopes that a call lacks.
const SCOPES: [&str; 3] = ["requiredGranularScopes", "requiredScopes", "missingScopes"];

/// One reply.
pub(super) struct Reply {
    pub(super) status: u16,
    /// Whether it arrived to its end. Of a torn one only tokens that stand whole in it are of use.
    pub(super) whole: bool,
    pub(super) correlation_id: Option<String>,
    pub(super) retry_after: Option<Duration>,
    body: Vec<u8>,
}

/// What kind of thing the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A JSON object.
    Object,
    /// Nothing, or only blanks.
    Empty,
    /// HTML, text, a truncated object.
    Foreign,
}

/// The words of a reply that may decide. None of them is prose.
#[derive(Debug)]
pub(super) struct Signs {
    pub(super) shape: Shape,
    /// OAuth's `error`.
    pub(super) error: Option<String>,
    /// HubSpot's `status` (`BAD_HUB`), which for its APIs is just `error`.
    pub(super) status: Option<String>,
    /// HubSpot's `category`.
    pub(super) category: Option<String>,
    /// HubSpot's `policyName`: which limit was reached.
    pub(super) policy: Option<String>,
    /// QuickBooks' fault, from either envelope.
    pub(super) fault: Option<Fault>,
    /// The scopes that the call needs, if it lacks some.
    pub(super) scopes: Vec<String>,
    /// HubSpot's `message`: shown when a request is refused, never judged.
    pub(super) message: Option<String>,
    /// HubSpot's `correlationId`, when no header named it.
    pub(super) correlation_id: Option<String>,
}

/// A QuickBooks fault.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    /// Without leading zeros: the gateway says `003200` where the service says `3200`.
    pub(super) code: Option<String>,
    /// Intuit's own words.
    pub(super) words: String,
}

impl Reply {
    pub(super) fn new(status: u16, headers: &HeaderMap, body: Vec<u8>) -> Self {
        let id = CORRELATION.iter().find_map(|name| headers.get(name)?.to_str().ok());
        Self {
            status,
            whole: true,
            correlation_id: id.map(|id| plain(id, 128)).filter(|id| !id.is_empty()),
            retry_after: retry_after(headers),
            body,
        }
    }

    /// The same, but its end never came.
    pub(super) fn torn(self) -> Self {
        Self { whole: false, ..self }
    }

    /// One answer out of a reply that holds several: judged as if it had come alone.
    pub(super) fn part(&self, body: &str) -> Self {
        let (correlation_id, body) = (self.correlation_id.clone(), body.as_bytes().to_vec());
        Self { status: self.status, whole: self.whole, correlation_id, retry_after: self.retry_after, body }
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text; broken UTF-8 in one field must not cost the others.
    pub(super) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body))
    }

    /// What a 2xx reply holds, if it is that and no fault.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        if !self.is_success() || !self.whole || self.signs().fault.is_some() {
            return None;
        }
        serde_json::from_str(&self.text()).ok()
    }

    pub(super) fn signs(&self) -> Signs {
        let text = self.text();
        let fields = Fields::of(&text);
        let shape = match fields.are_whole() {
            true => Shape::Object,
            false if text.trim().is_empty() => Shape::Empty,
            false => Shape::Foreign,
        };
        // What a broken object says, nobody has said.
        let fields = if shape == Shape::Object { fields } else { Fields::default() };
        let word = |name| fields.only(name).as_ref().and_then(code);
        let words =
            |name, longest| Some(plain(fields.only(name)?.as_str()?, longest)).filter(|words| !words.is_empty());
        Signs {
            shape,
            error: word("error"),
            status: word("status"),
            category: word("category"),
            policy: word("policyName"),
            fault: fields.only_in_any_case("fault").as_ref().and_then(fault),
            scopes: [fields.only("context"), fields.only("errors")].iter().flatten().flat_map(scopes).collect(),
            message: words("message", 1000),
            correlation_id: words("correlationId", 128),
        }
    }
}

/// The scopes that HubSpot says a call needs: in the context of the error, or of one of the errors in it.
fn scopes(context: &Value) -> Vec<String> {
    let inner = context.as_array().into_iter().flatten().filter_map(|error| error.get("context"));
    let contexts = std::iter::once(context).chain(inner).filter_map(Value::as_object);
    let named = contexts.flat_map(|context| SCOPES.iter().filter_map(|name| context.get(*name)?.as_array()));
    named.flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn fault(fault: &Value) -> Option<Fault> {
    let fault = fault.as_object()?;
    let errors: Vec<_> = match field(fault, "error") {
        Some(Value::Array(errors)) => errors.iter().filter_map(Value::as_object).collect(),
        Some(Value::Object(error)) => vec![error],
        _ => Vec::new(),
    };
    let said = errors.iter().flat_map(|error| [field(error, "message"), field(error, "detail")]);
    let mut words: Vec<&str> = Vec::new();
    for part in said.flatten().filter_map(Value::as_str).map(str::trim) {
        if !part.is_empty() && !words.contains(&part) {
            words.push(part);
        }
    }
    let code = errors.iter().find_map(|error| code(field(error, "code")?));
    Some(Fault { code: code.map(without_zeros), words: plain(&words.join(": "), 1000) })
}

fn without_zeros(code: String) -> String {
    match code.trim_start_matches('0') {
        "" => code,
        rest => rest.to_owned(),
    }
}

/// A field by its name, in capitals or not.
fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A word that can be a code. Tokens hold digits next to letters and dashes, so none of them passes for one.
fn code(value: &Value) -> Option<String> {
    let word = match value {
        Value::String(word) => word.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let letters = word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    ((1..=64).contains(&word.len()) && (digits || letters)).then_some(word)
}

/// A provider's words on one line, without control characters or marks that turn the text around, and cut to `longest`
/// characters.
fn plain(words: &str, longest: usize) -> String {
    let one_line = words.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    one_line.filter(|c| !c.is_control() && !TURNS.contains(c)).take(longest).collect()
}

/// Invisible characters that change the direction of what stands behind them, or hide in it.
const TURNS: [char; 17] = [
    '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}',
    '\u{202e}', '\u{2060}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '\u{feff}', '\u{61c}',
];

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(body: &str) -> Signs {
        Reply::new(400, &HeaderMap::new(), body.into()).signs()
    }

    #[test]
    fn both_fault_envelopes_read_the_same() {
        let service = r#"{"Fault":{"Error":[{"Message":"No","Detail":"Why","code":"6140","element":""}],"type":"X"}}"#;
        let gateway = r#"{"warnings":null,"fault":{"error":[{"message":"No","detail":"Why","code":"006140"}]}}"#;
        assert_eq!(signs(service).fault, signs(gateway).fault);
        assert_eq!(signs(service).fault, Some(Fault { code: Some("6140".into()), words: "No: Why".into() }));
    }

    #[test]
    fn a_null_fault_is_none_and_an_odd_one_still_is_one() {
        assert_eq!(signs(r#"{"fault":null,"intuitObject":{}}"#).fault, None);
        assert_eq!(signs(r#"{"Fault":{}}"#).fault, Some(Fault { code: None, words: String::new() }));
        let number = signs(r#"{"FAULT":{"ERROR":{"Code":3200,"Message":null}}}"#).fault.unwrap();
        assert_eq!(number.code.as_deref(), Some("3200"));
    }

    #[test]
    fn words_are_one_line_and_short() {
        let body = format!(r#"{{"Fault":{{"Error":[{{"Message":"a\u0007b\nc{}","code":"1"}}]}}}}"#, "x".repeat(2000));
        let words = signs(&body).fault.unwrap().words;
        assert!(words.starts_with("ab cx"), "{words}");
        assert_eq!(words.chars().count(), 1000);
    }

    #[test]
    fn a_token_never_passes_for_a_code() {
        let token = "RT1-39-H3-1785429816rcysb9dns1ofreknypnm";
        assert_eq!(signs(&format!(r#"{{"error":"{token}","status":"na1aaaa1"}}"#)).error, None);
        assert_eq!(signs(r#"{"status":"na1aaaa1"}"#).status, None);
        assert_eq!(signs(r#"{"error":"invalid_grant"}"#).error.as_deref(), Some("invalid_grant"));
    }

    #[test]
    fn shapes() {
        assert_eq!(signs(" \r\n").shape, Shape::Empty);
        assert_eq!(signs("<html>503</html>").shape, Shape::Foreign);
        assert_eq!(signs(r#"{"error":"invalid_gr"#).shape, Shape::Foreign);
        assert_eq!(signs("[1]").shape, Shape::Foreign);
        assert_eq!(signs("\u{feff}{}").shape, Shape::Object);
    }
}
