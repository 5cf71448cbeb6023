//! No line, whatever is in it, makes an operator panic or lose an entry.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::otlp::KeyValue;

const PARSERS: &[&str] = &[
    "{type: json_parser}",
    "{type: json_array_parser, parse_to: attributes.l}",
    r"{type: regex_parser, regex: '(?P<a>\w+)(?P<b>\W*)'}",
    "{type: key_value_parser}",
    "{type: csv_parser, header: 'a,b'}",
    "{type: csv_parser, header: 'a,b', lazy_quotes: true}",
    "{type: uri_parser}",
    "{type: syslog_parser, protocol: rfc3164}",
    "{type: syslog_parser, protocol: rfc5424, allow_skip_pri_header: true}",
    "{type: syslog_parser, protocol: rfc5424, enable_octet_counting: true}",
    "{type: time_parser, parse_from: body, layout_type: gotime, layout: 'Mon Jan _2 2006 3:04:05.000 PM MST -07:00'}",
    "{type: time_parser, parse_from: body, layout: '%c %s %k'}",
    "{type: time_parser, parse_from: body, layout_type: epoch, layout: s.ms}",
    "{type: severity_parser, parse_from: body}",
    "{type: unquote, field: body}",
    "{type: trace_parser, trace_id: {parse_from: body}}",
    "{type: regex_replace, field: body, regex_name: ansi_control_sequences}",
    "{type: container}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_line_comes_out_of_any_parser(
        text in prop_oneof![
            "\\PC{0,40}",
            "[<>0-9 \\[\\]=\"\\\\-]{0,30}",
            "[{}\\[\\]\",:0-9a-z\\\\]{0,30}",
            "<[0-9]{1,3}>1? ?[A-Z][a-z]{2} [0-9: TZ.+-]{0,30} [a-z\\[\\]:]{0,10}",
            "[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]{2} [0-9: .APM+-]{0,30}",
            "[a-z]{0,5}://[a-z@:\\[\\]%0-9?&=/#]{0,20}",
        ],
    ) {
        for parser in PARSERS {
            let out = run(&mut chain(&format!("[{parser}]")), vec![line(&text)]);
            prop_assert_eq!(out.len(), 1, "{} on {:?}", parser, text);
        }
    }

    #[test]
    fn any_bytes_come_out_of_any_parser(bytes in prop::collection::vec(any::<u8>(), 0..30)) {
        for parser in PARSERS {
            let input = Entry { body: AnyValue::Bytes(bytes.clone()), ..Entry::default() };
            prop_assert_eq!(run(&mut chain(&format!("[{parser}]")), vec![input]).len(), 1);
        }
    }

    #[test]
    fn pairs_that_were_written_are_read(pairs in prop::collection::btree_map("[a-z]{1,5}", "[a-zA-Z0-9 ,:é]{0,8}", 1..6)) {
        let text: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let out = run(&mut chain("[{type: key_value_parser, parse_to: body}]"), vec![line(&text.join(" "))]);
        let AnyValue::Map(read) = &out[0].body else { return Err(TestCaseError::fail("no map")) };
        for (key, value) in &pairs {
            prop_assert_eq!(crate::otlp::Attributes::get_str(read, key), Some(value.trim()));
        }
    }

    #[test]
    fn records_that_were_written_are_read(fields in prop::collection::vec("[a-z\",\n é]{0,6}", 2)) {
        let text: Vec<String> = fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
        let out = run(&mut chain("[{type: csv_parser, parse_to: body, header: 'a,b'}]"), vec![line(&text.join(","))]);
        let AnyValue::Map(read) = &out[0].body else { return Err(TestCaseError::fail("no map")) };
        for (key, value) in ["a", "b"].iter().zip(&fields) {
            prop_assert_eq!(crate::otlp::Attributes::get_str(read, key), Some(value.as_str()));
        }
    }

    #[test]
    fn moves_at_once_do_what_they_do_one_by_one(
        moves in prop::collection::vec(("[a-c]", "[mt-v]", any::<bool>()), 1..8),
        map in prop_oneof![
            1 => Just(None),
            1 => Just(Some(AnyValue::Empty)),
            1 => Just(Some(AnyValue::from("no map"))),
            9 => few_attributes("[a-e]").prop_map(|map| Some(AnyValue::Map(map))),
        ],
        mut others in few_attributes("[tu]"),
    ) {
        let steps = moves.iter().map(|(name, to, unless_there)| {
            let unless = if *unless_there { format!(" and attributes.{to} == nil") } else { String::new() };
            format!(
                "{{type: move, from: attributes.m.{name}, to: attributes.{to}, \
                 if: 'attributes.m != nil and attributes.m.{name} != nil{unless}'}}"
            )
        });
        let steps = format!("[{}, {{type: add, field: attributes.last, value: 1}}]", steps.collect::<Vec<_>>().join(","));
        others.extend(map.map(|map| KeyValue::new("m", map)));
        let input = Entry { attributes: others.into(), ..Entry::default() };
        let at_once = run(&mut chain(&steps), vec![input.clone()]);
        let one_by_one = run(&mut chain(&steps).one_by_one(), vec![input]);
        prop_assert_eq!(&*at_once[0].attributes, &*one_by_one[0].attributes, "{}", steps);
    }
}

/// Attributes of different names that match the pattern.
fn few_attributes(names: &'static str) -> impl Strategy<Value = Vec<KeyValue>> {
    let leaf = prop_oneof![Just(AnyValue::Empty), any::<i64>().prop_map(AnyValue::from)];
    let value = leaf.clone().prop_recursive(1, 4, 2, |inner| {
        prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| AnyValue::Map(attributes(map)))
    });
    prop::collection::btree_map(names, value, 0..5).prop_map(attributes)
}

fn attributes(map: BTreeMap<String, AnyValue>) -> Vec<KeyValue> {
    map.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect()
}
