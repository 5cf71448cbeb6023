//! The page of the language says what the tables say.

use crate::ottl::documentation::reference;

/// Writes the page anew when `UPDATE_DOCS` is set.
#[test]
fn the_page_lists_every_function_and_path() {
    const MARK: &str = "<!-- from here on made from the tables in src/ottl -->\n\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ottl.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (text, made) = page.split_once(MARK).expect("the page has the mark");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{text}{MARK}{}", reference())).unwrap();
        return;
    }
    assert!(made == reference(), "docs/ottl.md is old: run the tests with UPDATE_DOCS=1");
}
