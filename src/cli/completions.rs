//! `lamplighter completions SHELL`: what a shell reads to complete our commands.

use clap::Args;
use clap_complete::Shell;

use super::{DONE, documented, output};

/// How a shell is told, in the help.
const HOW: &str = "\
bash: lamplighter completions bash > /etc/bash_completion.d/lamplighter
zsh:  lamplighter completions zsh > /usr/local/share/zsh/site-functions/_lamplighter
fish: lamplighter completions fish > ~/.config/fish/completions/lamplighter.fish";

#[derive(Debug, Args)]
#[command(after_help = HOW)]
pub(super) struct Options {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Options {
    pub(super) fn run(&self) -> u8 {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut documented(), "lamplighter", &mut script);
        output::say(String::from_utf8_lossy(&script).trim_end());
        DONE
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut documented(), "lamplighter", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["status", "webhook", "deliveries", "accept-restored-tokens", "quickbooks"] {
                let known = script.contains(word)
                    || (word == "quickbooks" && *shell == Shell::Elvish)
                    || (word == "quickbooks" && *shell == Shell::PowerShell);
                assert!(known, "{shell} does not know {word}");
            }
        }
    }
}
