//! The table of rules in the documentation is made here. `LINT_DOC` names the page (`docs/lint.md` by default);
//! with `LINT_DOC_WRITE=1` the table is written anew.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::super::rules;

const BEGIN: &str = "<!-- rules -->\n";

fn table() -> String {
    let mut made = String::from("| rule | level | source | what is asked |\n| --- | --- | --- | --- |\n");
    for rule in rules() {
        let _ = writeln!(
            made,
            "| `{}` | {} | {} | {} |",
            rule.id,
            rule.level.name(),
            rule.clause,
            rule.sentence.replace('<', "\\<")
        );
    }
    made
}

#[test]
fn the_page_lists_every_rule() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lint.md");
    let path = std::env::var_os("LINT_DOC").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, held) = page.split_once(BEGIN).unwrap();
    if std::env::var_os("LINT_DOC_WRITE").is_some() {
        std::fs::write(&path, format!("{head}{BEGIN}{}", table())).unwrap();
    } else {
        assert_eq!(held, table(), "run the tests with LINT_DOC_WRITE=1");
    }
}
