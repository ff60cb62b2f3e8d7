//! Where spans go.

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    problem::Fault,
    reader::{Section, gather},
    web::is_this_machine,
};

/// `[telemetry]`.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// The collector, if spans are exported.
    pub otlp_endpoint: Option<Url>,
    /// What is sent along to be let in: name and value.
    pub otlp_headers: Vec<(String, SecretString)>,
    /// What we are called there.
    pub service_name: String,
    /// Share of the traces that is exported.
    pub sample_ratio: f64,
}

impl Telemetry {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let telemetry = gather!(Telemetry {
            otlp_endpoint: section.parsed("otlp_endpoint", endpoint),
            otlp_headers: section.secret("otlp_headers").and_then(|text| section.headers(text.as_ref())),
            service_name: section.text("service_name"),
            sample_ratio: section.fraction("sample_ratio", 0.0..=1.0),
        });
        let exposed =
            telemetry.otlp_endpoint.as_ref().is_some_and(|url| url.scheme() == "http" && !is_this_machine(url));
        if exposed && !telemetry.otlp_headers.is_empty() {
            let warning = "telemetry.otlp_endpoint is not https: telemetry.otlp_headers travel unencrypted";
            section.reader().warn(warning.to_owned());
        }
        Some(telemetry)
    }
}

impl Section<'_> {
    /// One header a line; what is wrong is said without repeating it.
    fn headers(&mut self, text: Option<&SecretString>) -> Option<Vec<(String, SecretString)>> {
        let lines = text.map_or("", |text| text.expose_secret()).lines().map(str::trim).filter(|line| !line.is_empty());
        let headers: Option<Vec<_>> = lines.map(header).collect();
        if headers.is_none() {
            let key = self.key("otlp_headers");
            let remedy = r#"write one header a line, like "api-key: 5f2c""#;
            self.reader().fault(&key, Fault::new("holds a line that is no header", remedy));
        }
        headers
    }
}

fn header(line: &str) -> Option<(String, SecretString)> {
    let (name, value) = line.split_once(':')?;
    let (name, value) = (name.trim(), value.trim());
    HeaderName::from_bytes(name.as_bytes()).ok()?;
    HeaderValue::from_str(value).ok()?;
    (!value.is_empty()).then(|| (name.to_owned(), SecretString::from(value)))
}

/// A collector mostly stands on the same machine or network, so plain http will do: spans carry no secret.
fn endpoint(text: &str) -> Result<Option<Url>, Fault> {
    let example = r#"write it like "http://localhost:4318"; `/v1/traces` is added"#;
    if text.is_empty() {
        return Ok(None);
    }
    let url = Url::parse(text).map_err(|error| Fault::new(format!("is no URL: {error}"), example))?;
    if !matches!(url.scheme(), "https" | "http") || url.query().is_some() || url.fragment().is_some() {
        return Err(Fault::new("is no address of a collector over HTTP", example));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let remedy = r#"set telemetry.otlp_headers_file to a file with "Authorization: Basic .." in it"#;
        return Err(Fault::new("holds a login, which would be shown", remedy));
    }
    Ok(Some(url))
}
