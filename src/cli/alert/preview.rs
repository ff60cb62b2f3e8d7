//! `lamplighter alert preview`: every kind of mail as files, to be looked at before an owner does.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use lettre::message::Mailbox;
use uuid::Uuid;

use crate::{
    alerts::{
        envelope::Envelope,
        mail::samples::{self, Sample},
    },
    cli::{DONE, output},
    clock::Clock,
    config::Config,
};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// Where the files go; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "lamplighter-mails")]
    dir: PathBuf,
    /// Only mails whose name begins like this, such as "lapsed" or "outage"
    #[arg(long, value_name = "NAME")]
    mail: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) fn run(self, config: &Config) -> anyhow::Result<u8> {
        let all = samples::all().context("a mail cannot be rendered: this is a defect of Lamplighter, report it")?;
        let wanted = self.mail.as_deref().unwrap_or_default();
        let chosen: Vec<_> = all.iter().filter(|sample| sample.name.starts_with(wanted)).collect();
        if chosen.is_empty() {
            let names: Vec<_> = all.iter().map(|sample| sample.name.as_str()).collect();
            bail!("no mail is called {wanted:?}: choose one of {}", names.join(", "));
        }
        fs::create_dir_all(&self.dir).with_context(|| format!("cannot make the directory {}", self.dir.display()))?;
        for sample in &chosen {
            write(&self.dir, sample, config)?;
        }
        if self.json {
            let rows = chosen.iter().map(|sample| {
                let audience = if sample.for_owner { "owner" } else { "operator" };
                serde_json::json!({ "name": sample.name, "to": audience, "subject": sample.rendered.subject })
            });
            output::json(&serde_json::json!({ "dir": self.dir, "mails": rows.collect::<Vec<_>>() }))?;
            return Ok(DONE);
        }
        let rows = chosen.iter().map(|sample| vec![sample.name.clone(), sample.rendered.subject.clone()]);
        output::table(&["Name", "Subject"], rows.collect(), "");
        output::say(&format!(
            "Each as NAME.html, NAME.txt and NAME.eml in {}. The names and the link in them are invented.",
            self.dir.display()
        ));
        Ok(DONE)
    }
}

fn write(dir: &Path, sample: &Sample, config: &Config) -> anyhow::Result<()> {
    let (name, address) = match sample.for_owner {
        true => ("Mara Lindqvist", "mara@harborbooks.example"),
        false => ("Operations", "operations@operator.example"),
    };
    let envelope = Envelope {
        from: &config.smtp.from,
        to: Mailbox::new(Some(name.to_owned()), address.parse()?),
        reply_to: config.alerts.reply_to.as_ref(),
        id: Uuid::nil(),
        date: Clock::system().now(),
    };
    let message = envelope.message(sample.rendered.clone()).map_err(anyhow::Error::msg)?;
    for (ending, content) in [
        ("txt", sample.rendered.text.as_bytes()),
        ("html", sample.rendered.html.as_bytes()),
        ("eml", &message.formatted()),
    ] {
        let file = dir.join(format!("{}.{ending}", sample.name));
        fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
