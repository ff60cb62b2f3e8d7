//! What is logged, and in which form.

use tracing_subscriber::EnvFilter;

use super::{
    problem::Fault,
    reader::{Section, gather},
};

/// `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    /// Form of a line.
    pub format: LogFormat,
    /// What is logged: a level, or directives of `tracing`; checked to be readable.
    pub filter: String,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

impl Log {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let formats = [("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)];
        Some(gather!(Log { format: section.choice("format", &formats), filter: section.parsed("filter", filter) }))
    }
}

/// The directives without the space around them: `tracing_subscriber` 0.3.23 looks for a directive's parts in the
/// trimmed text but cuts them out of the untrimmed one, which reads another target, or panics inside a wide space.
fn filter(text: &str) -> Result<String, Fault> {
    let trimmed = text.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    match EnvFilter::builder().parse(&trimmed) {
        Ok(_) => Ok(trimmed),
        Err(error) => {
            let remedy = r#"write a level such as "info", or directives such as "info,sqlx=warn""#;
            Err(Fault::new(format!("{text:?} is no log filter: {error}"), remedy))
        }
    }
}
