//! One row for every line of an order. The rows become the same JSON that the API takes, so both are judged by one reader.

use std::{
    collections::{HashMap, HashSet},
    io::BufRead,
    iter::Peekable,
};

use anyhow::{Context as _, bail};
use csv::{ByteRecord, ByteRecordsIntoIter, ReaderBuilder, Trim};
use serde_json::{Map, Value};

use super::{Piece, Pieces};
use crate::{
    clock::Clock,
    orders::incoming::{self, Refused},
};

/// Columns of the order, and where they go.
const ORDER: [&str; 14] = [
    "external_id",
    "placed_at",
    "currency",
    "total",
    "source",
    "name",
    "tax",
    "tax_included",
    "shipping",
    "discount",
    "exchange_rate",
    "paid",
    "refunded",
    "cancelled",
];
/// Columns of the customer.
const CUSTOMER: [&str; 4] = ["email", "first_name", "last_name", "company"];
/// Columns of a line; the file has them with `line_` before them.
const LINE: [&str; 6] = ["name", "quantity", "price", "amount", "sku", "description"];
const NEEDED: [&str; 5] = ["external_id", "placed_at", "currency", "total", "line_name"];

/// A row, or why it is none.
struct Row {
    line: u64,
    /// Of an unreadable row as far as it can be told; of two orders side by side it could be either's without it.
    id: Option<String>,
    cells: Result<HashMap<String, String>, Refused>,
}

struct Rows {
    records: ByteRecordsIntoIter<Box<dyn BufRead>>,
    columns: Vec<String>,
}

struct Orders {
    rows: Peekable<Rows>,
    finished: HashSet<String>,
    /// The line of an unreadable row before this place that may belong to the order that comes next.
    unread: Option<u64>,
    source: String,
    clock: Clock,
}

/// Reads the column names; the rest follows row by row.
pub(super) fn read(mut reader: Box<dyn BufRead>, source: String, clock: Clock) -> anyhow::Result<Pieces> {
    let buffer = reader.fill_buf().context("the file cannot be read")?;
    let first_line = buffer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let semicolons = first_line.contains(&b';') && !first_line.contains(&b',');
    let delimiter = if semicolons { b';' } else { b',' };
    let mut csv = ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(Trim::All).from_reader(reader);
    let columns: Vec<_> = csv
        .byte_headers()
        .context("the row of column names cannot be read")?
        .iter()
        .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase())
        .collect();
    let known = |name: &str| {
        ORDER.contains(&name)
            || CUSTOMER.contains(&name)
            || name.strip_prefix("line_").is_some_and(|name| LINE.contains(&name))
    };
    let unknown: Vec<_> = columns.iter().filter(|name| !known(name)).map(String::as_str).collect();
    let missing: Vec<_> = NEEDED.into_iter().filter(|name| !columns.iter().any(|column| column == name)).collect();
    let twice = columns.iter().collect::<HashSet<_>>().len() < columns.len();
    if !unknown.is_empty() || !missing.is_empty() || twice {
        let mut words = Vec::new();
        if !missing.is_empty() {
            words.push(format!("it lacks the columns {}", missing.join(", ")));
        }
        if !unknown.is_empty() {
            words.push(format!("nobody knows its columns {}", unknown.join(", ")));
        }
        if twice {
            words.push("it has a column twice".to_owned());
        }
        bail!(
            "line 1: {}; nothing was taken: see `lamplighter order import --help` for the columns",
            words.join(", and ")
        );
    }
    let rows = Rows { records: csv.into_byte_records(), columns };
    Ok(Box::new(Orders { rows: rows.peekable(), finished: HashSet::new(), unread: None, source, clock }))
}

impl Iterator for Rows {
    type Item = anyhow::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = match self.records.next()? {
            Ok(record) => record,
            Err(cause) => return Some(Err(anyhow::Error::new(cause).context("the file cannot be read on"))),
        };
        let line = record.position().map_or(0, csv::Position::line);
        let place = self.columns.iter().position(|column| column == "external_id");
        let id = place.and_then(|place| std::str::from_utf8(record.get(place)?).ok());
        let id = id.filter(|id| !id.is_empty()).map(str::to_owned);
        Some(Ok(Row { line, id, cells: self.cells(&record) }))
    }
}

impl Rows {
    /// The cells that hold something, by column.
    fn cells(&self, record: &ByteRecord) -> Result<HashMap<String, String>, Refused> {
        let refused =
            |message: String, remedy: &str| Refused { field: "row".to_owned(), message, remedy: remedy.to_owned() };
        if record.len() != self.columns.len() {
            let message = format!("it has {} cells under {} columns", record.len(), self.columns.len());
            return Err(refused(message, "put a cell that holds a separator into double quotes"));
        }
        let cells = self.columns.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty());
        cells
            .map(|(column, cell)| {
                let text = std::str::from_utf8(cell);
                let text = text.map_err(|_| refused("it is not UTF-8".to_owned(), "save the file as UTF-8"))?;
                Ok((column.clone(), text.to_owned()))
            })
            .collect()
    }
}

impl Iterator for Orders {
    type Item = anyhow::Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.rows.next()? {
            Ok(row) => row,
            Err(cause) => return Some(Err(cause)),
        };
        let (line, id) = (row.line, row.id.clone());
        let Some(id) = id else {
            let refused = row.cells.err();
            if refused.is_some() {
                self.unread = Some(line);
            }
            let refused = refused.unwrap_or_else(|| Refused {
                field: "external_id".to_owned(),
                message: "is empty".to_owned(),
                remedy: "write the order's own id in the cart, in every row".to_owned(),
            });
            return Some(Ok(Piece { line, order: Err((None, refused)) }));
        };
        let mut order = Gathered::default();
        if let Some(line) = self.unread.take() {
            order.refuse(lost(line));
        }
        order.add(row);
        // An order without one of its lines is not that order.
        while let Some(Ok(next)) = self.rows.peek() {
            if next.id.is_none() && next.cells.is_err() {
                order.refuse(lost(next.line));
                break;
            }
            if next.id.as_ref() != Some(&id) {
                break;
            }
            let Some(Ok(next)) = self.rows.next() else { break };
            order.add(next);
        }
        if !self.finished.insert(id.clone()) {
            let message = "its rows do not stand together".to_owned();
            let remedy =
                "sort the file by external_id, and check in QuickBooks what the earlier rows became".to_owned();
            let refused = Refused { field: "external_id".to_owned(), message, remedy };
            return Some(Ok(Piece { line, order: Err((Some(id), refused)) }));
        }
        let read = order.json().and_then(|json| incoming::read(&json, &self.source, self.clock.now()));
        Some(Ok(Piece { line, order: read.map_err(|refused| (Some(id), refused)) }))
    }
}

fn lost(line: u64) -> Refused {
    Refused {
        field: "row".to_owned(),
        message: format!("line {line} beside it cannot be read and may be one of its lines"),
        remedy: "correct that line and import the file again".to_owned(),
    }
}

/// The rows of one order.
#[derive(Default)]
struct Gathered {
    head: Option<HashMap<String, String>>,
    lines: Vec<Value>,
    refused: Option<Refused>,
}

impl Gathered {
    /// The first reason counts.
    fn refuse(&mut self, refused: Refused) {
        self.refused.get_or_insert(refused);
    }

    fn add(&mut self, row: Row) {
        let cells = match row.cells {
            Ok(cells) => cells,
            Err(refused) => {
                let message = format!("line {}: {}", row.line, refused.message);
                return self.refuse(Refused { message, ..refused });
            }
        };
        self.lines.push(line(&cells));
        let Some(head) = &self.head else {
            self.head = Some(cells);
            return;
        };
        let differs = |name: &&&str| cells.get(**name).is_some_and(|cell| head.get(**name) != Some(cell));
        if let Some(name) = ORDER.iter().chain(&CUSTOMER).find(differs) {
            let message = format!("line {} says something else than the order's first line", row.line);
            let remedy = "write the same in every row of an order, or leave it empty after the first".to_owned();
            self.refuse(Refused { field: (*name).to_owned(), message, remedy });
        }
    }

    fn json(self) -> Result<String, Refused> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let head = self.head.unwrap_or_default();
        let mut order = picked(&head, &ORDER, "");
        let customer = picked(&head, &CUSTOMER, "");
        if !customer.is_empty() {
            order.insert("customer".to_owned(), customer.into());
        }
        order.insert("lines".to_owned(), self.lines.into());
        Ok(Value::Object(order).to_string())
    }
}

fn line(cells: &HashMap<String, String>) -> Value {
    picked(cells, &LINE, "line_").into()
}

fn picked(cells: &HashMap<String, String>, names: &[&str], before: &str) -> Map<String, Value> {
    let cell =
        |name: &&str| cells.get(&format!("{before}{name}")).map(|cell| ((*name).to_owned(), cell.clone().into()));
    names.iter().filter_map(cell).collect()
}
