//! SQL without its literals. It reads tokens, not grammar: any dialect, also statements that are cut.

/// The statement with `?` for texts and numbers, digits in names too, and without comments.
/// `double`: whether `"…"` is a text instead of a name.
pub fn sanitize(statement: &str, double: bool) -> String {
    let mut rest = statement;
    let mut clean = String::with_capacity(statement.len());
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '\'' => quoted(&mut clean, rest, '\''),
            '"' if double => quoted(&mut clean, rest, '"'),
            '"' | '`' => {
                let len = end_of_quote(rest, first);
                clean.push_str(&rest[..len]);
                len
            }
            '$' => dollar(&mut clean, rest),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '#' if double => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            c if c.is_ascii_digit() => number(&mut clean, rest),
            c if c == '_' || c.is_alphabetic() => name(&mut clean, rest),
            c => {
                clean.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[len.max(1)..];
    }
    clean.truncate(clean.trim_end().len());
    clean.drain(..clean.len() - clean.trim_start().len());
    clean
}

/// A text in quotes; those that are doubled or escaped are part of it. Returns its length.
fn quoted(clean: &mut String, rest: &str, quote: char) -> usize {
    clean.push('?');
    end_of_quote(rest, quote)
}

fn end_of_quote(rest: &str, quote: char) -> usize {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote != '`' {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => _ = chars.next(),
                _ => return at + c.len_utf8(),
            }
        }
    }
    rest.len()
}

/// `$1` is a parameter, `$tag$…$tag$` a text.
fn dollar(clean: &mut String, rest: &str) -> usize {
    let tag = rest[1..].find(|c: char| !(c == '_' || c.is_alphanumeric())).unwrap_or(rest.len() - 1);
    if !rest[1 + tag..].starts_with('$') || rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
        clean.push_str(&rest[..=tag]);
        return 1 + tag;
    }
    let mark = &rest[..tag + 2];
    clean.push('?');
    rest[mark.len()..].find(mark).map_or(rest.len(), |end| mark.len() + end + mark.len())
}

/// `1`, `1.5e-3`, `0xff`.
fn number(clean: &mut String, rest: &str) -> usize {
    clean.push('?');
    let mut before = ' ';
    let end = rest.find(|c: char| {
        let signed = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        before = c;
        !(c.is_ascii_alphanumeric() || c == '.' || signed)
    });
    end.unwrap_or(rest.len())
}

/// A name or keyword: each run of digits in it becomes one `?`. `E'…'` and the like are texts.
fn name(clean: &mut String, rest: &str) -> usize {
    let len = rest.find(|c: char| !(c == '_' || c == '$' || c.is_alphanumeric())).unwrap_or(rest.len());
    let is_prefix = len == 1 && rest[1..].starts_with('\'') && "eEbBxXnN".contains(&rest[..1]);
    if is_prefix {
        return 1;
    }
    let mut after_digit = false;
    for c in rest[..len].chars() {
        match (c.is_ascii_digit(), after_digit) {
            (true, false) => clean.push('?'),
            (true, true) => {}
            (false, _) => clean.push(c),
        }
        after_digit = c.is_ascii_digit();
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_become_question_marks_and_comments_go() {
        for (statement, want) in [
            ("SELECT * FROM users WHERE id = 42", "SELECT * FROM users WHERE id = ?"),
            ("SELECT 'it''s', 'a\\'b', E'x\\n' FROM t", "SELECT ?, ?, ? FROM t"),
            ("select \"Name\" from \"t 1\"", "select \"Name\" from \"t 1\""),
            (
                "INSERT INTO t2020_01 VALUES (1.5e-3, -7, 0xFF, NULL)",
                "INSERT INTO t?_? VALUES (?, -?, ?, NULL)",
            ),
            ("SELECT $1, $tag$a 'b$tag$, $$x$$", "SELECT $1, ?, ?"),
            ("/* user=4711 */ SELECT 1 -- secret\nFROM t", "SELECT ? \nFROM t"),
            ("SELECT 'cut off", "SELECT ?"),
            ("SELECT /* cut off", "SELECT"),
            ("SELECT $", "SELECT $"),
            ("SELECT ż FROM świat WHERE ó='ß'", "SELECT ż FROM świat WHERE ó=?"),
            ("", ""),
        ] {
            assert_eq!(sanitize(statement, false), want, "{statement}");
        }
        assert_eq!(sanitize("SELECT \"secret\" FROM `t1` # note", true), "SELECT ? FROM `t1`");
    }

    proptest::proptest! {
        #[test]
        fn no_statement_makes_it_stop(statement in "[ -~'\"$\\\\ß\n]{0,60}", double: bool) {
            let clean = sanitize(&statement, double);
            proptest::prop_assert!(clean.len() <= statement.len() + 1);
        }
    }
}
