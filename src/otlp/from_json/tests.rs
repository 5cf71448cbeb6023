use super::*;
use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::{self, Number};
use crate::otlp::{AnyValue, KeyValue, json};

fn read(signal: Signal, text: &str) -> Result<Data, String> {
    decode(signal, text.as_bytes()).map_err(|error| error.to_string())
}

fn record(fields: &str) -> Result<LogRecord, String> {
    let text = format!("{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{{fields}}}]}}]}}]}}");
    let Data::Logs(mut all) = read(Signal::Logs, &text)? else { unreachable!() };
    Ok(all.remove(0).scope_logs.remove(0).log_records.remove(0))
}

#[test]
fn numbers_are_numbers_or_texts_and_enums_numbers_or_names() {
    for fields in [
        r#""timeUnixNano":"1700000000000000001","severityNumber":"SEVERITY_NUMBER_WARN2","flags":1"#,
        r#""timeUnixNano":1700000000000000001,"severityNumber":14,"flags":"1""#,
        r#""timeUnixNano":1700000000000000001,"severityNumber":14.0,"flags":1.0"#,
    ] {
        let got = record(fields).unwrap();
        assert_eq!((got.time_unix_nano, got.severity_number, got.flags), (1_700_000_000_000_000_001, 14, 1));
    }
}

#[test]
fn unknown_fields_are_skipped_and_null_is_absent() {
    let got = record(
        r#""future":{"deep":[1,{"x":null}]},"body":null,"attributes":null,"severityText":null,
           "traceId":"0102030405060708090A0b0c0d0e0f10","spanId":"","attributes":[
             {"key":"a","value":{"stringValue":"\u00fc\n","new":1}},{"key":"none"},
             {"key":"raw","value":{"bytesValue":"-_8"}},
             {"key":"m","value":{"kvlistValue":{"values":[{"key":"k","value":{"arrayValue":{}}}]}}}]"#,
    )
    .unwrap();
    assert_eq!(got.trace_id, (1..=16).collect::<Vec<u8>>());
    assert_eq!(
        got.attributes,
        [
            KeyValue::fixed("a", "ü\n"),
            KeyValue::fixed("none", AnyValue::Empty),
            KeyValue::fixed("raw", AnyValue::Bytes(vec![0xfb, 0xff])),
            KeyValue::fixed("m", vec![KeyValue::fixed("k", Vec::<AnyValue>::new())]),
        ]
    );
}

#[test]
fn what_is_wrong_is_an_error_that_says_where() {
    for (fields, want) in [
        (r#""traceId":"0102""#, "must be 32 hexadecimal digits"),
        (r#""spanId":"zz02030405060708""#, "must be 16 hexadecimal digits"),
        (r#""timeUnixNano":-1"#, "out of range"),
        (r#""timeUnixNano":"99999999999999999999999""#, "no integer"),
        (r#""flags":4294967296"#, "out of range"),
        (r#""severityNumber":"LOUD""#, "is no name of this enum"),
        (r#""body":"text""#, "an object"),
        (r#""attributes":{}"#, "a list"),
    ] {
        let error = record(fields).unwrap_err();
        assert!(error.contains(want) && error.contains("line 1"), "{fields}: {error}");
    }
    assert!(read(Signal::Logs, "").is_err());
    assert!(read(Signal::Logs, "[]").is_err());
    assert_eq!(read(Signal::Logs, "{}").unwrap().items(), 0);
}

#[test]
fn nesting_beyond_the_limit_is_an_error_and_no_overflow() {
    let nested = |depth: usize| {
        let open = r#"{"arrayValue":{"values":["#.repeat(depth);
        record(&format!("\"body\":{open}{{}}{}", "]}}".repeat(depth)))
    };
    assert!(nested(35).is_ok());
    assert!(nested(60).unwrap_err().contains("recursion"));
    assert!(nested(100_000).unwrap_err().contains("recursion"));
    // What is skipped takes no stack, however deep it is.
    assert!(record(&format!("\"x\":{}{}", "[".repeat(100_000), "]".repeat(100_000))).is_ok());
}

#[test]
fn what_the_encoder_writes_is_read_back() {
    let text = r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"h","value":{"boolValue":true}}]},
      "schemaUrl":"s","scopeMetrics":[{"scope":{"name":"n","version":"v"},"metrics":[
       {"name":"g","unit":"1","gauge":{"dataPoints":[{"asDouble":"NaN","timeUnixNano":"3"},{"asInt":"-4",
          "exemplars":[{"asInt":"5","spanId":"0102030405060708"}]}]}},
       {"name":"s","sum":{"isMonotonic":true,"aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA",
          "dataPoints":[{"asDouble":1.5,"flags":1}]}},
       {"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"3","sum":0,
          "bucketCounts":["1",2],"explicitBounds":[0.5],"min":-1,"max":"Infinity"}]}},
       {"name":"e","exponentialHistogram":{"dataPoints":[{"count":1,"scale":-2,"zeroCount":"1",
          "positive":{"offset":3,"bucketCounts":["7"]},"zeroThreshold":0.1}]}},
       {"name":"q","summary":{"dataPoints":[{"count":"2","sum":3,"quantileValues":[{"quantile":0.5,"value":2}]}]}}
      ]}]}]}"#;
    let data = read(Signal::Metrics, text).unwrap();
    assert_eq!(data.items(), 6);
    let Data::Metrics(all) = &data else { unreachable!() };
    let metrics = &all[0].scope_metrics[0].metrics;
    let Some(metrics::Data::Gauge(gauge)) = &metrics[0].data else { unreachable!() };
    assert_eq!(gauge.data_points[1].value, Some(Number::Int(-4)));
    let mut again = Vec::new();
    json::encode(&data, &mut again);
    // NaN is not equal to itself: compare what is written.
    let mut twice = Vec::new();
    json::encode(&decode(Signal::Metrics, &again).unwrap(), &mut twice);
    assert_eq!(String::from_utf8(again).unwrap(), String::from_utf8(twice).unwrap());

    let text = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10",
      "spanId":"0102030405060708","parentSpanId":"","name":"GET","kind":"SPAN_KIND_SERVER","flags":3,
      "startTimeUnixNano":"5","endTimeUnixNano":"6","traceState":"a=b","droppedEventsCount":2,
      "events":[{"name":"e","timeUnixNano":"5"}],"links":[{"spanId":"0102030405060708"}],
      "status":{"code":"STATUS_CODE_ERROR","message":"no"}}]}]}]}"#;
    let data = read(Signal::Traces, text).unwrap();
    let mut again = Vec::new();
    json::encode(&data, &mut again);
    assert_eq!(decode(Signal::Traces, &again).unwrap(), data);
}

proptest::proptest! {
    #[test]
    fn no_body_makes_the_reader_panic(body in "[\\[\\]{}\":,a-zA-Z0-9.\\-]{0,200}") {
        for signal in Signal::ALL {
            let _ = decode(signal, body.as_bytes());
        }
    }
}
