//! No text makes the parser panic, and no data makes a statement panic.

use proptest::prelude::*;

use crate::otlp::metrics::{Data, Gauge, Metric, Number, NumberDataPoint};
use crate::otlp::{AnyValue, KeyValue};
use crate::ottl::context::ContextKind;
use crate::ottl::functions::{self, ParamKind};
use crate::ottl::testing::World;
use crate::ottl::{Predicate, Statement};

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(AnyValue::Empty),
        ".{0,12}".prop_map(AnyValue::from),
        any::<bool>().prop_map(AnyValue::Bool),
        any::<i64>().prop_map(AnyValue::Int),
        any::<f64>().prop_map(AnyValue::Double),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(AnyValue::Bytes),
        Just(AnyValue::from(r#"{"a":[1,{"b":null}]}"#)),
        Just(AnyValue::from("k=v k2='x y'")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(AnyValue::Array),
            prop::collection::vec(("[a-c]", inner), 0..4).prop_map(|entries| {
                AnyValue::Map(entries.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect())
            }),
        ]
    })
}

/// An argument that the parameter may accept, often one that only data can prove wrong.
fn argument(kind: ParamKind) -> BoxedStrategy<String> {
    let path = prop_oneof![
        Just("attributes[\"a\"]".to_owned()),
        Just("attributes[\"b\"]".to_owned()),
        Just("attributes[\"a\"][\"b\"]".to_owned()),
        Just("resource.attributes[\"a\"]".to_owned()),
        Just("Values(attributes)[0]".to_owned()),
    ];
    let number = any::<i16>().prop_map(|n| n.to_string());
    match kind {
        ParamKind::Target => Just("attributes[\"a\"]".to_owned()).boxed(),
        ParamKind::MapTarget => {
            prop_oneof![Just("attributes".to_owned()), Just("attributes[\"a\"]".to_owned())].boxed()
        }
        ParamKind::Int => prop_oneof![path, number].boxed(),
        ParamKind::Float => prop_oneof![path, any::<i16>().prop_map(|n| format!("{n}.5"))].boxed(),
        ParamKind::Bool => prop_oneof![path, any::<bool>().prop_map(|b| b.to_string())].boxed(),
        ParamKind::Values | ParamKind::Texts => {
            prop_oneof![path.clone(), path.prop_map(|path| format!("[{path}, \"a\"]"))].boxed()
        }
        ParamKind::Choice(choices) => prop::sample::select(choices).prop_map(|c| format!("\"{c}\"")).boxed(),
        ParamKind::LiteralText => Just("\"%{NUMBER:n:int}\"".to_owned()).boxed(),
        ParamKind::Regex => {
            prop_oneof![path, Just("\"(?P<x>[a-z]*)(.?)\"".to_owned()), Just("\"\"".to_owned())].boxed()
        }
        ParamKind::Layout => prop_oneof![path, Just("\"%Y-%m %f %z\"".to_owned())].boxed(),
        ParamKind::Function => Just("SHA256".to_owned()).boxed(),
        ParamKind::Time => prop_oneof![path, number.prop_map(|n| format!("Unix({n})"))].boxed(),
        ParamKind::Duration => prop_oneof![path, Just("Duration(\"1m\")".to_owned())].boxed(),
        _ => prop_oneof![path, "[a-z ,=%$]{0,5}".prop_map(|text| format!("\"{text}\"")), number].boxed(),
    }
}

fn statement() -> impl Strategy<Value = (ContextKind, String)> {
    let functions: Vec<_> = functions::all().collect();
    (prop::sample::select(functions), any::<u8>()).prop_flat_map(|(function, keep)| {
        let context = function.contexts.first().copied().unwrap_or(ContextKind::DataPoint);
        let required = function.params.iter().filter(|param| !param.optional).count();
        let count = required + usize::from(keep) % (function.params.len() - required + 1);
        let args: Vec<_> = function.params[..count].iter().map(|param| argument(param.kind)).collect();
        args.prop_map(move |args| {
            let call = format!("{}({})", function.name, args.join(", "));
            let text = if function.is_editor() { call } else { format!("set(cache[\"x\"], {call})") };
            // The metric context has no attributes of its own: those of the resource take their place.
            let text = match context {
                ContextKind::Metric => text
                    .replace("resource.attributes", "attributes")
                    .replace("attributes", "resource.attributes"),
                _ => text,
            };
            (context, text)
        })
    })
}

fn world(attributes: Vec<(String, AnyValue)>) -> World {
    let attributes: Vec<KeyValue> =
        attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
    let point =
        NumberDataPoint { value: Some(Number::Int(1)), attributes: attributes.clone(), ..Default::default() };
    let data = Some(Data::Gauge(Gauge { data_points: vec![point.clone(), point] }));
    let mut world = World { metrics: vec![Metric { data, ..Default::default() }], ..Default::default() };
    world.log.attributes.clone_from(&attributes);
    world.span.attributes.clone_from(&attributes);
    world.resource.get_or_insert_default().attributes = attributes;
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
        for context in ContextKind::ALL {
            let _ = Statement::compile(&text, context).map_err(|error| error.to_string());
            let _ = Predicate::compile(&text, context).map_err(|error| error.to_string());
        }
    }

    #[test]
    fn no_sequence_of_tokens_makes_the_parser_panic(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "set", "(", ")", "[", "]", "{", "}", ",", ".", ":", "=", "==", "!=", "<", "+", "-", "*", "/", "not",
            "and", "or", "where", "nil", "true", "\"a\"", "1", "-1", "1.5", "0x0a", "attributes", "body", "log",
            "IsMatch", "Concat", "SEVERITY_NUMBER_INFO", "\"", "\\", "é", "\n",
        ]), 0..25),
    ) {
        let text = tokens.join(" ");
        let _ = Statement::compile(&text, ContextKind::Log).map_err(|error| error.to_string());
        let _ = Predicate::compile(&text, ContextKind::Log).map_err(|error| error.to_string());
    }

    #[test]
    fn no_data_makes_a_statement_panic(
        (context, text) in statement(),
        attributes in prop::collection::btree_map("[a-c]", any_value(), 0..4),
    ) {
        // Literal arguments may be refused; what compiles runs.
        if let Ok(statement) = Statement::compile(&text, context) {
            let mut world = world(attributes.into_iter().collect());
            let started = std::time::Instant::now();
            let _ = statement.run(&mut world.item(context), &mut None).map_err(|error| error.to_string());
            prop_assert!(started.elapsed().as_secs() < 2, "{text}");
        }
    }
}
