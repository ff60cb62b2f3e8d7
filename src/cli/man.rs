//! `lamplighter man`: manual pages, made from the same words as the help.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_mangen::Man;

use super::{DONE, documented, output};

/// What to do with it, in the help.
const HOW: &str = "\
Read one: lamplighter man | man -l -
Install all: lamplighter man --dir /usr/local/share/man/man1, then: man lamplighter-order-list";

#[derive(Debug, Args)]
#[command(after_help = HOW)]
pub(super) struct Options {
    /// Write a page for every command there, instead of the main one to standard output
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

impl Options {
    pub(super) fn run(&self) -> anyhow::Result<u8> {
        let Some(directory) = &self.dir else {
            output::say(&page(documented())?);
            return Ok(DONE);
        };
        let cannot = || format!("cannot write to {}: name a directory that you may write to", directory.display());
        std::fs::create_dir_all(directory).with_context(cannot)?;
        let pages = pages()?;
        for (name, text) in &pages {
            std::fs::write(directory.join(format!("{name}.1")), text).with_context(cannot)?;
        }
        output::say(&format!("Wrote {} manual pages to {}.", pages.len(), directory.display()));
        output::say("Next: man lamplighter, if the directory is one that man looks into (see `manpath`).");
        Ok(DONE)
    }
}

/// A page for every command, by name.
fn pages() -> anyhow::Result<Vec<(String, String)>> {
    fn add(command: Command, pages: &mut Vec<(String, String)>) -> anyhow::Result<()> {
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()).cloned() {
            add(below, pages)?;
        }
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        pages.push((name, page(command)?));
        Ok(())
    }
    let mut command = documented().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(command, &mut pages)?;
    Ok(pages)
}

fn page(command: Command) -> anyhow::Result<String> {
    let mut text = Vec::new();
    Man::new(command).source(concat!("lamplighter ", env!("CARGO_PKG_VERSION"))).render(&mut text)?;
    Ok(String::from_utf8(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_says_its_exit_codes() {
        let pages = pages().unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["lamplighter", "lamplighter-status", "lamplighter-order-list", "lamplighter-webhook-add"] {
            assert!(names.contains(&name), "{names:?}");
        }
        for (name, text) in &pages {
            assert!(text.contains("xit codes") || text.contains("xit code"), "{name}");
            assert!(text.contains(".SH NAME"), "{name}");
        }
    }
}
