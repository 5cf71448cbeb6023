//! No expression makes the parser or the evaluator panic, and what is printed is read again.

use proptest::prelude::*;

use super::*;

/// Expressions that mostly compile: names, literals and every construct.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("body".to_owned()),
        Just("attributes".to_owned()),
        Just("resource.host".to_owned()),
        Just("attributes.n".to_owned()),
        Just("attributes.user".to_owned()),
        Just("attributes.tags".to_owned()),
        Just("attributes.nums".to_owned()),
        Just("timestamp".to_owned()),
        Just("nil".to_owned()),
        Just("true".to_owned()),
        Just("'a'".to_owned()),
        Just("''".to_owned()),
        Just("duration('1h')".to_owned()),
        (0_i64..5).prop_map(|n| n.to_string()),
        Just("9223372036854775807".to_owned()),
        (-3.0..3.0_f64).prop_map(|n| format!("{n:?}")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let binary = prop::sample::select(vec![
            "+",
            "-",
            "*",
            "/",
            "%",
            "**",
            "==",
            "!=",
            "<",
            ">=",
            "and",
            "or",
            "in",
            "matches",
            "contains",
            "startsWith",
            "endsWith",
            "..",
            "??",
            "not in",
        ]);
        let unary = prop::sample::select(vec!["not ", "-", "+"]);
        let one = prop::sample::select(vec![
            "len",
            "upper",
            "string",
            "int",
            "float",
            "type",
            "toJSON",
            "fromJSON",
            "first",
            "last",
            "keys",
            "values",
            "reverse",
            "uniq",
            "sort",
            "flatten",
            "trim",
            "abs",
            "max",
            "mean",
            "median",
            "toPairs",
            "fromPairs",
            "toBase64",
            "date",
            "duration",
            "bitnot",
            "ceil",
        ]);
        let two = prop::sample::select(vec![
            "split",
            "take",
            "get",
            "concat",
            "min",
            "indexOf",
            "join",
            "repeat",
            "bitshl",
            "bitand",
            "hasPrefix",
        ]);
        let predicate = prop::sample::select(vec![
            "all",
            "any",
            "none",
            "one",
            "filter",
            "map",
            "count",
            "find",
            "findLastIndex",
            "groupBy",
            "countBy",
            "sortBy",
            "reduce",
            "sum",
        ]);
        prop_oneof![
            (inner.clone(), binary, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (unary, inner.clone()).prop_map(|(op, a)| format!("({op}{a})")),
            (one, inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            (two, inner.clone(), inner.clone()).prop_map(|(f, a, b)| format!("{f}({a}, {b})")),
            (
                predicate,
                inner.clone(),
                prop::sample::select(vec!["# == 1", "#", "# != nil", "#index", "{#; 2}", ".x"])
            )
                .prop_map(|(f, a, p)| format!("{f}({a}, {p})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}:]")),
            inner.clone().prop_map(|a| format!("({a})?.name.x")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{x: {a}, 'y': {b}}}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(let v = {a}; [v, {b}])")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} < {b} <= {c})")),
        ]
    })
}

fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(AnyValue::Empty),
        any::<bool>().prop_map(AnyValue::from),
        any::<i64>().prop_map(AnyValue::from),
        any::<f64>().prop_map(AnyValue::from),
        ".{0,10}".prop_map(AnyValue::from),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(AnyValue::Bytes),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(AnyValue::Array),
            prop::collection::vec(("[a-x]{1,4}", inner), 0..4).prop_map(|entries| AnyValue::Map(
                entries.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn parsing_what_was_printed_gives_the_same_tree(source in expression()) {
        let tree = parser::parse(&source);
        if let Ok(tree) = tree {
            let printed = tree.to_string();
            let again = parser::parse(&printed);
            prop_assert_eq!(again.as_ref().ok(), Some(&tree), "{} printed as {}", source, printed);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(source in "\\PC{0,40}") {
        let _ = Program::compile(&source).map_err(|error| error.to_string());
    }

    #[test]
    fn no_row_of_tokens_makes_the_parser_panic(tokens in prop::collection::vec(prop::sample::select(vec![
        "(", ")", "[", "]", "{", "}", "a", "body", "1", "1.5", "'x'", "\"", "`", "+", "-", "**", "?", ":", "??", "?.", ".",
        "..", "#", "#acc", "|", "let", "=", ";", "if", "else", "not", "in", "matches", "all", "len", ",", "nil", "$env",
        "<", "é", "\\", "0x", "1e", "//", "/*", "::", "map",
    ]), 0..14), blanks: bool) {
        let source = tokens.join(if blanks { " " } else { "" });
        if let Ok(tree) = parser::parse(&source) {
            prop_assert_eq!(parser::parse(&tree.to_string()).ok(), Some(tree));
        }
        let _ = Program::compile(&source).map_err(|error| error.to_string());
    }

    #[test]
    fn evaluating_anything_on_anything_ends_without_panic(
        source in expression(),
        body in value(),
        n in value(),
        user in value(),
        tags in value(),
    ) {
        let record = Record {
            body,
            attributes: map(&[("n", n), ("user", user), ("tags", tags)]),
            resource: vec![],
        };
        if let Ok(program) = Program::compile(&source) {
            match program.eval(&record) {
                Ok(value) => { let _ = value.to_any(); }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }

    /// What is computed at start is what would have been computed for a record.
    #[test]
    fn what_is_known_of_a_type_holds(source in expression()) {
        let record = record();
        if let Ok(program) = Program::compile(&source)
            && let Ok(value) = program.eval(&record)
        {
            prop_assert!(program.kind().may_be(&[value.kind()]), "{} is {:?}, said {:?}", source, value, program.kind());
        }
    }
}
