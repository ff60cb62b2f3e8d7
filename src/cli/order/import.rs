//! `lamplighter order import`: orders of any cart from a file. Read and stored piece by piece, so a file may be of any
//! length; the good orders are taken whatever the others are, and the same file again changes nothing.

mod csv_rows;
mod json_lines;

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::{DONE, UNHEALTHY, output, with_database};
use crate::{
    clock::Clock,
    config::Config,
    orders::incoming::{self, DEFAULT_SOURCE, Fate, Incoming, Refused},
    words,
};

/// Orders stored by one statement.
const CHUNK: usize = 500;
/// The most bad lines that the JSON holds; standard error holds them all.
const MOST_PROBLEMS: usize = 1_000;

/// What is said of files in the help.
const FILES: &str = "\
A file that begins with { holds JSON lines: one order a line, in the shape that POST /api/v1/orders takes. Any other is CSV \
with a row of column names, separated by commas or semicolons: one row for every line of an order, the rows of one order \
together.

Columns of the order: external_id, placed_at, currency, total (all four needed), source, name, tax, \
tax_included (true or false), shipping, discount, exchange_rate, paid, refunded, cancelled, email, first_name, last_name, \
company. A later row of the same order repeats them or leaves them empty.
Columns of the line: line_name (needed), line_quantity, line_price, line_amount, line_sku, line_description. A line has a \
price, or an amount for the whole line less discounts, or both.

Amounts are written like 19.99, times with their zone like 2026-01-09T14:30:00Z, or a day alone.

Exit codes: 0 all orders are in, 1 failed (what was read is stored; import it again, nothing comes twice), 2 wrong usage or \
configuration, 3 some lines were bad: correct them and import the file again";

#[derive(Debug, Args)]
#[command(after_help = FILES)]
pub(in super::super) struct Options {
    /// The file; `-` reads standard input
    file: String,
    /// The account, by name or id
    #[arg(long)]
    account: String,
    /// The source of orders that name none; the same order from the same source is one order
    #[arg(long, default_value = DEFAULT_SOURCE, value_parser = source)]
    source: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An order of a file with the line that it begins on, or why it is none.
struct Piece {
    line: u64,
    order: Result<Incoming, (Option<String>, Refused)>,
}

/// A bad line.
#[derive(Serialize)]
struct Problem {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(flatten)]
    refused: Refused,
}

/// What came of a file.
#[derive(Default, Serialize)]
struct Summary {
    read: u64,
    taken: u64,
    changed: u64,
    unchanged: u64,
    refused: u64,
    problems: Vec<Problem>,
}

fn source(text: &str) -> Result<String, String> {
    incoming::named(text).map_err(|refused| format!("{}; {}", refused.message, refused.remedy))
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        let reader: Box<dyn BufRead> = match self.file.as_str() {
            "-" => Box::new(BufReader::new(io::stdin())),
            path => Box::new(BufReader::new(File::open(path).with_context(|| format!("cannot open {path}"))?)),
        };
        with_database(config, async |conn| self.import(conn, reader).await).await
    }

    async fn import(&self, conn: &mut PgConnection, reader: Box<dyn BufRead>) -> anyhow::Result<u8> {
        let account_id = crate::cli::account(conn, &self.account).await?.id;
        let clock = Clock::system();
        let mut pieces = pieces(reader, self.source.clone(), clock.clone())?;
        let mut summary = Summary::default();
        let mut ended = Ok(());
        let mut done = false;
        while !done {
            let mut good = Vec::new();
            // A file that breaks off in the middle has brought what it brought.
            loop {
                match pieces.next() {
                    Some(Ok(piece)) => summary.note(piece, &mut good),
                    Some(Err(cause)) => {
                        ended = Err(cause);
                        done = true;
                    }
                    None => done = true,
                }
                if done || good.len() >= CHUNK {
                    break;
                }
            }
            summary.store(conn, account_id, good, &clock).await.inspect_err(|_| {
                output::complain(&summary.told());
            })?;
            output::complain(&format!("{} orders read, {} refused", words::number(summary.read), summary.refused));
        }
        if self.json {
            output::json(&summary)?;
        } else {
            output::say(&summary.told());
        }
        ended?;
        Ok(if summary.refused > 0 { UNHEALTHY } else { DONE })
    }
}

impl Summary {
    fn note(&mut self, piece: Piece, good: &mut Vec<Incoming>) {
        self.read += 1;
        match piece.order {
            Ok(order) => good.push(order),
            Err((external_id, refused)) => {
                self.refused += 1;
                let who = external_id.as_ref().map(|id| format!(" (order {id})")).unwrap_or_default();
                output::complain(&format!("line {}{who}: {refused}", piece.line));
                if self.problems.len() < MOST_PROBLEMS {
                    self.problems.push(Problem { line: piece.line, external_id, refused });
                }
            }
        }
    }

    async fn store(
        &mut self,
        conn: &mut PgConnection,
        account_id: Uuid,
        good: Vec<Incoming>,
        clock: &Clock,
    ) -> anyhow::Result<()> {
        if good.is_empty() {
            return Ok(());
        }
        for fate in incoming::take(conn, account_id, good, clock.now()).await? {
            match fate {
                Fate::Taken => self.taken += 1,
                Fate::Changed => self.changed += 1,
                Fate::Unchanged => self.unchanged += 1,
            }
        }
        Ok(())
    }

    fn told(&self) -> String {
        let number = words::number;
        let mut text = format!(
            "{} orders read: {} taken, {} changed, {} there already, {} refused.",
            number(self.read),
            number(self.taken),
            number(self.changed),
            number(self.unchanged),
            number(self.refused)
        );
        if self.taken + self.changed > 0 {
            text.push_str(" The daemon posts what is new.");
        }
        if self.refused > 0 {
            text.push_str(" Correct the lines that are named and import the file again: nothing comes twice.");
        }
        text
    }
}

type Pieces = Box<dyn Iterator<Item = anyhow::Result<Piece>>>;

/// The orders of a file, whichever of the two forms it has.
fn pieces(mut reader: Box<dyn BufRead>, source: String, clock: Clock) -> anyhow::Result<Pieces> {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    if reader.fill_buf().context("the file cannot be read")?.starts_with(MARK) {
        reader.consume(MARK.len());
    }
    loop {
        let first = reader.fill_buf().context("the file cannot be read")?.first().copied();
        match first {
            None => bail!("there is nothing in it: give JSON lines, or CSV with a row of column names"),
            Some(blank) if blank.is_ascii_whitespace() && blank != b'\n' => reader.consume(1),
            Some(b'[') => bail!("this is one JSON array: write one order a line, without the brackets, or use the API"),
            Some(b'{' | b'\n') => return Ok(Box::new(json_lines::JsonLines::new(reader, source, clock))),
            Some(_) => return csv_rows::read(reader, source, clock),
        }
    }
}
