//! Cuts a query into words, read from the front. It knows quotes and operators, and no grammar.

use std::collections::VecDeque;

use serde_json::Value;

use super::super::{books::decimal, intuit_fault::Fault};

/// The query cannot be read at this word.
pub(super) fn unparsable(at: &str) -> Fault {
    Fault::new("4000", "Error parsing query", format!("QueryParserError: Encountered \" \"{at}\" \"\" near the query"))
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Plain(String),
    Quoted(String),
}

/// A statement cut into words, read from the front.
pub(super) struct Words(VecDeque<Word>);

impl Words {
    pub(super) fn read(statement: &str) -> Result<Self, Fault> {
        let mut words = VecDeque::new();
        let mut rest = statement.trim_start();
        while let Some(first) = rest.chars().next() {
            let used = match first {
                '\'' => {
                    let (value, used) = quoted(rest).ok_or_else(|| unparsable("<EOF>"))?;
                    words.push_back(Word::Quoted(value));
                    used
                }
                ',' | '(' | ')' => {
                    words.push_back(Word::Plain(first.to_string()));
                    1
                }
                _ => {
                    let end = word_end(rest, first);
                    words.push_back(Word::Plain(rest[..end].to_owned()));
                    end
                }
            };
            rest = rest[used..].trim_start();
        }
        Ok(Self(words))
    }

    pub(super) fn take(&mut self, word: &str) -> bool {
        let here = matches!(self.0.front(), Some(Word::Plain(found)) if found.eq_ignore_ascii_case(word));
        if here {
            self.0.pop_front();
        }
        here
    }

    pub(super) fn expect(&mut self, word: &str) -> Result<(), Fault> {
        if self.take(word) { Ok(()) } else { Err(self.stuck()) }
    }

    pub(super) fn plain(&mut self) -> Result<String, Fault> {
        match self.0.pop_front() {
            Some(Word::Plain(word)) => Ok(word),
            Some(Word::Quoted(word)) => Err(unparsable(&word)),
            None => Err(unparsable("<EOF>")),
        }
    }

    pub(super) fn value(&mut self) -> Result<String, Fault> {
        match self.0.pop_front() {
            Some(Word::Quoted(value)) => Ok(value),
            Some(Word::Plain(value)) if ["true", "false"].contains(&value.to_lowercase().as_str()) => Ok(value),
            Some(Word::Plain(value)) if decimal(&Value::String(value.clone())).is_some() => Ok(value),
            Some(Word::Plain(word)) => Err(unparsable(&word)),
            None => Err(unparsable("<EOF>")),
        }
    }

    pub(super) fn count(&mut self) -> Result<usize, Fault> {
        let word = self.plain()?;
        word.parse().map_err(|_| unparsable(&word))
    }

    pub(super) fn end(&mut self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(self.stuck()) }
    }

    fn stuck(&self) -> Fault {
        match self.0.front() {
            Some(Word::Plain(word) | Word::Quoted(word)) => unparsable(word),
            None => unparsable("<EOF>"),
        }
    }
}

/// The value of a text in quotes, and how many bytes it took.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' => return Some((value, at + 1)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// Where an operator or a name ends.
fn word_end(text: &str, first: char) -> usize {
    let operator = |c: char| "=<>".contains(c);
    if text.to_lowercase().starts_with("count(*)") {
        return "count(*)".len();
    }
    let ends = |c: char| c.is_whitespace() || ",()'".contains(c) || operator(c) != operator(first);
    text.find(ends).unwrap_or(text.len())
}
