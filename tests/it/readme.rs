//! What the README says and the code knows must be the same.

use std::process::Command;

const README: &str = include_str!("../../README.md");

#[test]
fn the_configuration_table_is_the_code_s_own() {
    let (_, rest) = README.split_once("checked by a test -->\n").expect("the table's beginning is marked");
    let (table, _) = rest.split_once("<!-- /configuration -->").expect("the table's end is marked");
    let expected = lamplighter::config::reference_table();
    assert_eq!(table.trim(), expected.trim(), "put this into README.md:\n{expected}");
}

#[test]
fn every_command_it_names_exists() {
    let (_, rest) = README.split_once("## Commands").expect("there is a list of commands");
    let (table, _) = rest.split_once("Lists and `doctor`").expect("it ends");
    let first_cells =
        table.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|line| line.split(" |").next());
    let mut named = 0;
    for command in first_cells.flat_map(|cell| cell.split(", ")) {
        let words: Vec<_> = command.trim_matches('`').split(' ').collect();
        let help = Command::new(env!("CARGO_BIN_EXE_lamplighter")).args(&words).arg("--help").output().unwrap();
        assert!(help.status.success(), "lamplighter {words:?} --help: {}", String::from_utf8_lossy(&help.stderr));
        named += 1;
    }
    assert!(named >= 12, "only {named} commands were found in the table");
}
