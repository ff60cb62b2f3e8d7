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

/// The commands of its table, as they are written there.
fn commands() -> Vec<&'static str> {
    let (_, rest) = README.split_once("## Commands").expect("there is a list of commands");
    let (table, _) = rest.split_once("Lists and `doctor`").expect("it ends");
    let first_cells =
        table.lines().filter_map(|line| line.strip_prefix("| ")).filter_map(|line| line.split(" |").next());
    first_cells.flat_map(|cell| cell.split(", ")).filter_map(|one| one.strip_prefix('`')?.strip_suffix('`')).collect()
}

#[test]
fn every_command_it_names_exists() {
    for command in commands() {
        let words: Vec<_> = command.split(' ').collect();
        let help = Command::new(env!("CARGO_BIN_EXE_lamplighter")).args(&words).arg("--help").output().unwrap();
        assert!(help.status.success(), "lamplighter {words:?} --help: {}", String::from_utf8_lossy(&help.stderr));
    }
}

#[test]
fn it_names_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_lamplighter");
    let wrote = Command::new(program).arg("man").arg("--dir").arg(directory.path()).output().unwrap();
    assert!(wrote.status.success(), "{}", String::from_utf8_lossy(&wrote.stderr));
    let pages =
        std::fs::read_dir(directory.path()).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap());
    // `lamplighter-order-list.1` is of `order list`; `lamplighter-order.1` is of a group, in which there are others.
    let pages: Vec<_> =
        pages.filter_map(|page| Some(format!("{}-", page.strip_prefix("lamplighter-")?.strip_suffix(".1")?))).collect();
    let leaves: Vec<_> = pages
        .iter()
        .filter(|page| pages.iter().filter(|other| other.starts_with(page.as_str())).count() == 1)
        .collect();
    assert!(leaves.len() > 40, "{leaves:?}");
    let named: Vec<_> = commands().iter().map(|command| format!("{}-", command.replace(' ', "-"))).collect();
    for leaf in leaves {
        assert!(named.iter().any(|named| named.starts_with(leaf.as_str())), "{leaf} is not in the table of commands");
    }
}
