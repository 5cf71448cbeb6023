//! JSON as YAML to be read by people, and alike by every version of YAML.

use serde_json::Value;

/// The value in block style. Text is quoted unless it is plainly a word: `0777`, `yes` and `1_000`
/// are something else to one reader or another.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(value, 0, &mut out),
        Value::Array(list) if !list.is_empty() => block(value, 0, &mut out),
        scalar => {
            out.push_str(&inline(scalar));
            out.push('\n');
        }
    }
    out
}

/// Lines of a map or list that is not empty, each at `indent`.
fn block(value: &Value, indent: usize, out: &mut String) {
    let mut line = |head: &str, value: &Value| {
        out.push_str(&" ".repeat(indent));
        out.push_str(head);
        if is_block(value) {
            out.push('\n');
            block(value, indent + 2, out);
        } else {
            out.push(' ');
            out.push_str(&inline(value));
            out.push('\n');
        }
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| line(&format!("{}:", word(key)), value)),
        Value::Array(list) => list.iter().for_each(|item| line("-", item)),
        _ => {}
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => word(text),
        other => other.to_string(),
    }
}

/// Words that some version of YAML takes for something else than text.
const TAKEN: [&str; 11] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"];

fn word(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./-".contains(&b))
        && !TAKEN.contains(&text.to_ascii_lowercase().as_str());
    // A JSON string is a YAML string.
    if is_plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let value = json!({
            "receivers": {"otlp": {}, "filelog/a b": {"include": ["/var/log/*.log", "C:\\x"], "exclude": []}},
            "odd": ["0777", "yes", "NO", "1_000", "1e3", "~", "", " a ", "a: b", "a #b", "- c", "é\u{1}\n\t\"", "null", "{x"],
            "kinds": [0, -1, 1.5, true, null, "true", [[1], {"a": {"b": [{}]}}]],
            "<<": "x",
            "Authorization": "${env:KM_API_KEY}",
        });
        let text = text(&value);
        assert_eq!(serde_yaml::from_str::<Value>(&text).unwrap(), value, "{text}");
        assert!(
            text.contains("- \"0777\"") && text.contains("- \"NO\"") && text.contains("otlp: {}"),
            "{text}"
        );
        assert_eq!(super::text(&json!({})), "{}\n");
    }
}
