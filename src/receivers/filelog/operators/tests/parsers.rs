//! Parsers, one table each.

use super::*;

#[test]
fn json_parser() {
    lines(&[
        ("type: json_parser", r#"{"a":1,"b":"x"}"#, r#""{\"a\":1,\"b\":\"x\"}" @{"a":1.0,"b":"x"}"#),
        ("type: json_parser, parse_to: body", r#"{"a":{"b":[1,null]}}"#, r#"{"a":{"b":[1.0,null]}}"#),
        (
            "type: json_parser, parse_to: body, parse_ints: true",
            r#"{"a":1,"b":1.5,"c":99999999999999999999}"#,
            r#"{"a":1,"b":1.5,"c":1e20}"#,
        ),
        (
            "type: json_parser, parse_to: attributes.parsed",
            r#"{"a":1}"#,
            r#""{\"a\":1}" @{"parsed":{"a":1.0}}"#,
        ),
        ("type: json_parser, parse_to: body", r#" {"a":1,"a":2} "#, r#"{"a":2.0}"#),
        ("type: json_parser", "null", "\"null\""),
        ("type: json_parser", "[1]", ""),
        ("type: json_parser", "1", ""),
        ("type: json_parser", "plain text", ""),
        ("type: json_parser", "notice: starts like null", ""),
        ("type: json_parser", r#"{"a":1} x"#, ""),
        ("type: json_parser", "", ""),
    ]);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(one("{type: json_parser, on_error: drop}", line(&deep)), "");
    table(&[
        ("type: json_parser", r#"{"body": 5}"#, ""),
        (
            "type: json_parser, parse_from: body.inner",
            r#"{"body": {"inner": "{\"a\":true}"}}"#,
            r#"{"inner":"{\"a\":true}"} @{"a":true}"#,
        ),
        ("type: json_parser, parse_from: attributes.missing", r#"{"body": "x"}"#, ""),
        // A map is merged into a map that is there.
        (
            "type: json_parser, parse_to: attributes.p",
            r#"{"body": "{\"a\":1}", "attributes": {"p": {"b": 2}}}"#,
            r#""{\"a\":1}" @{"p":{"a":1.0,"b":2}}"#,
        ),
        (
            "type: json_parser, parse_to: attributes.p, body: attributes.p.msg",
            r#"{"body": "{\"msg\":\"hi\"}"}"#,
            r#""hi" @{"p":{"msg":"hi"}}"#,
        ),
    ]);
}

#[test]
fn a_parser_runs_its_blocks_in_order_and_keeps_what_succeeds() {
    let operator = r#"{type: json_parser, parse_to: body, on_error: ON_ERROR,
        timestamp: {parse_from: body.time, layout_type: gotime, layout: "2006-01-02T15:04:05Z07:00"},
        severity: {parse_from: body.level},
        trace: {trace_id: {parse_from: body.trace}},
        scope_name: {parse_from: body.logger}}"#;
    let body = r#"{"time":"2024-05-06T07:08:09Z","level":"Warn","trace":"000102030405060708090a0b0c0d0e0f","logger":"app"}"#;
    let want = format!(
        "time=2024-05-06T07:08:09Z severity=13 text=Warn trace=000102030405060708090a0b0c0d0e0f//0 scope=app {}",
        r#"{"level":"Warn","logger":"app","time":"2024-05-06T07:08:09Z","trace":"000102030405060708090a0b0c0d0e0f"}"#
    );
    assert_eq!(one(&operator.replace("ON_ERROR", "drop"), line(body)), want);
    let broken = r#"{"time":"yesterday","level":"info","logger":"app"}"#;
    assert_eq!(one(&operator.replace("ON_ERROR", "drop"), line(broken)), "");
    let kept = one(&operator.replace("ON_ERROR", "send"), line(broken));
    assert!(kept.starts_with("severity=9 text=info scope=app"), "{kept}");
    let bad = "{type: json_parser, severity: {}, timestamp: {parse_from: body.t, layout: '%E'}}";
    let message = refusal(&format!("[{bad}]"));
    assert!(message.contains("unknown directive \"%E\"") && message.contains("\"parse_from\""), "{message}");
}

#[test]
fn json_array_parser() {
    lines(&[
        ("type: json_array_parser, parse_to: body", r#"[1, "a", null, 1.5]"#, r#"[1,"a",null,1.5]"#),
        ("type: json_array_parser, parse_to: body, header: 'x,y'", r#"[1, "a"]"#, r#"{"x":1,"y":"a"}"#),
        ("type: json_array_parser, parse_to: body, header: 'x,y'", "[1]", ""),
        ("type: json_array_parser, parse_to: body", r#"{"a":1}"#, ""),
    ]);
}

#[test]
fn regex_parser() {
    lines(&[
        (
            r"type: regex_parser, regex: '^(?P<host>\S+) (?P<n>\d+)?'",
            "h1 x",
            r#""h1 x" @{"host":"h1","n":""}"#,
        ),
        (r"type: regex_parser, regex: 'b(?<rest>.*)'", "abc", r#""abc" @{"rest":"c"}"#),
        (r"type: regex_parser, regex: '(?P<d>^\d+$)'", "١٢", ""),
        (r"type: regex_parser, regex: '(?P<a>x)', cache: {size: 10}", "y", ""),
    ]);
    refused(&[
        ("type: regex_parser", "missing required field \"regex\""),
        ("type: regex_parser, regex: 'a(b)'", "no named capture groups"),
        ("type: regex_parser, regex: '(?P<a>'", "bad regular expression"),
        ("type: regex_parser, regex: '(?P<a>x)', regx: 1", "regx"),
    ]);
}

#[test]
fn key_value_parser() {
    lines(&[
        ("type: key_value_parser, parse_to: body", "a=1 b=two  c=", r#"{"a":"1","b":"two","c":""}"#),
        (
            "type: key_value_parser, parse_to: body",
            r#"a="x y" b='p "q"' c=it\"s"#,
            r#"{"a":"x y","b":"p \"q\"","c":"it\\\"s"}"#,
        ),
        ("type: key_value_parser, parse_to: body", "url=http://x?a=b", r#"{"url":"http://x?a=b"}"#),
        (
            "type: key_value_parser, parse_to: body, delimiter: '|', pair_delimiter: '!!'",
            "a|1!!b|2!!",
            r#"{"a":"1","b":"2"}"#,
        ),
        (
            "type: key_value_parser, parse_to: body, pair_delimiter: ','",
            "a = 1, b = é",
            r#"{"a":"1","b":"é"}"#,
        ),
        ("type: key_value_parser", "a=1 nothing b=2", ""),
        ("type: key_value_parser", "a=\"x", ""),
        ("type: key_value_parser", "", ""),
    ]);
    refused(&[
        ("type: key_value_parser, delimiter: ' '", "must not be the same"),
        ("type: key_value_parser, delimiter: ''", "must not be empty"),
    ]);
}

#[test]
fn csv_parser() {
    lines(&[
        ("type: csv_parser, parse_to: body, header: 'a,b,c'", "1,two,", r#"{"a":"1","b":"two","c":""}"#),
        ("type: csv_parser, parse_to: body, header: 'a,b'", r#""x,""y""",z"#, r#"{"a":"x,\"y\"","b":"z"}"#),
        ("type: csv_parser, parse_to: body, header: 'a,b'", "\"x\ny\",z", r#"{"a":"x\ny","b":"z"}"#),
        ("type: csv_parser, parse_to: body, header: 'a,b'", "1,2\n3,4", r#"{"a":"1\n3","b":"2\n4"}"#),
        (
            "type: csv_parser, parse_to: body, header: 'a|b', delimiter: '|'",
            "1|2\r\n",
            r#"{"a":"1","b":"2"}"#,
        ),
        (
            "type: csv_parser, parse_to: body, header: 'a,b', header_delimiter: ',', delimiter: \"\\t\"",
            "1\t2",
            r#"{"a":"1","b":"2"}"#,
        ),
        (
            "type: csv_parser, parse_to: body, header: 'a,b', lazy_quotes: true",
            r#"x "y" z,"a"b""#,
            r#"{"a":"x \"y\" z","b":"a\"b"}"#,
        ),
        (
            "type: csv_parser, parse_to: body, header: 'a,b', ignore_quotes: true",
            r#""x,y""#,
            r#"{"a":"\"x","b":"y\""}"#,
        ),
        ("type: csv_parser, header: 'a,b'", "1,2,3", ""),
        ("type: csv_parser, header: 'a,b'", "x\"y,2", ""),
        ("type: csv_parser, header: 'a,b'", "\"x", ""),
        ("type: csv_parser, header: 'a,b'", "", ""),
    ]);
    table(&[(
        "type: csv_parser, parse_to: body, header_attribute: cols",
        r#"{"body": "1,2", "attributes": {"cols": "p,q"}}"#,
        r#"{"p":"1","q":"2"} @{"cols":"p,q"}"#,
    )]);
    refused(&[
        ("type: csv_parser", "\"header\" or \"header_attribute\""),
        ("type: csv_parser, header: 'a,b', header_attribute: c", "only one of"),
        ("type: csv_parser, header: 'a,b', delimiter: ',,'", "single character"),
        ("type: csv_parser, header: 'ab'", "missing field delimiter"),
        ("type: csv_parser, header: 'a,b', lazy_quotes: true, ignore_quotes: true", "only one of"),
    ]);
}

#[test]
fn uri_parser() {
    lines(&[
        (
            "type: uri_parser, parse_to: body",
            "https://me:pw@Example.com:8080/a%20b/c?x=1&x=2&y=a+b%21#frag",
            r#"{"host":"Example.com","path":"/a b/c","port":"8080","query":{"x":["1","2"],"y":["a b!"]},"scheme":"https","user":"me"}"#,
        ),
        ("type: uri_parser, parse_to: body", "/path?q=1", r#"{"path":"/path","query":{"q":["1"]}}"#),
        ("type: uri_parser, parse_to: body", "?a=b&c", r#"{"query":{"a":["b"],"c":[""]}}"#),
        (
            "type: uri_parser, parse_to: body",
            "http://[::1]:80/",
            r#"{"host":"::1","path":"/","port":"80","scheme":"http"}"#,
        ),
        ("type: uri_parser, parse_to: body", "http://host", r#"{"host":"host","scheme":"http"}"#),
        ("type: uri_parser", "not a uri", ""),
        ("type: uri_parser", "http://host:port/", ""),
        ("type: uri_parser", "/%zz", ""),
        ("type: uri_parser", "", ""),
    ]);
}

#[test]
fn syslog_parser() {
    let rfc5424 = "type: syslog_parser, protocol: rfc5424, parse_to: body";
    let rfc3164 = "type: syslog_parser, protocol: rfc3164, parse_to: body";
    let counting = format!("{rfc5424}, enable_octet_counting: true");
    let nul = format!("{rfc5424}, non_transparent_framing_trailer: NUL");
    let bare = format!("{rfc5424}, allow_skip_pri_header: true");
    lines(&[
        (
            rfc5424,
            r#"<165>1 2003-10-11T22:14:15.003Z host app 123 ID47 [ex@1 iut="3" e="a\]\"b"][o@2] An event"#,
            r#"time=2003-10-11T22:14:15.003Z severity=10 text=notice {"appname":"app","facility":20,"hostname":"host","message":"An event","msg_id":"ID47","priority":165,"proc_id":"123","structured_data":{"ex@1":{"e":"a]\"b","iut":"3"},"o@2":{}},"version":1}"#,
        ),
        (rfc5424, "<34>1 - - - - - -", r#"severity=18 text=crit {"facility":4,"priority":34,"version":1}"#),
        (
            &counting,
            "17 <34>1 - - - - - -",
            r#"severity=18 text=crit {"facility":4,"priority":34,"version":1}"#,
        ),
        (&counting, "99999 <34>1 - - - - - -", ""),
        (&counting, "18 <34>1 - - - - - -", ""),
        (&nul, "<34>1 - - - - - -\0", r#"severity=18 text=crit {"facility":4,"priority":34,"version":1}"#),
        (&bare, "1 - - - - - - hi", r#"{"message":"hi","version":1}"#),
        (rfc5424, "1 - - - - - -", ""),
        (rfc5424, "<192>1 - - - - - -", ""),
        (rfc5424, "<34>1 yesterday - - - - -", ""),
        (rfc5424, "<34>1 - - - - - [x", ""),
        (rfc5424, "<34>1 - -", ""),
        (rfc3164, "not syslog", ""),
        (rfc3164, "<13>Feb 31 10:00:00 host x: y", ""),
        (
            rfc3164,
            "<13>2024-05-06T07:08:09+02:00 host app: hello",
            r#"time=2024-05-06T05:08:09Z severity=10 text=notice {"appname":"app","facility":1,"hostname":"host","message":"hello","priority":13}"#,
        ),
    ]);
    let got = one(
        &format!("{{{rfc3164}, location: Europe/Berlin}}"),
        line("<34>Jan  2 03:04:05 host su[77]: 'su root' failed"),
    );
    assert!(got.contains("-01-02T02:04:05Z severity=18"), "{got}");
    assert!(got.ends_with(
        r#"{"appname":"su","facility":4,"hostname":"host","message":"'su root' failed","priority":34,"proc_id":"77"}"#
    ));
    refused(&[
        ("type: syslog_parser", "\"protocol\""),
        ("type: syslog_parser, protocol: rfc1", "rfc1"),
        ("type: syslog_parser, protocol: rfc3164, enable_octet_counting: true", "rfc5424 only"),
        ("type: syslog_parser, protocol: rfc3164, location: Mars/Base", "no known time zone"),
        (
            "type: syslog_parser, protocol: rfc5424, enable_octet_counting: true, non_transparent_framing_trailer: LF",
            "only one of",
        ),
    ]);
}

#[test]
fn time_parser() {
    let go = "type: time_parser, parse_from: body, layout_type: gotime, layout: '2006-01-02T15:04:05.999999999Z07:00'";
    let berlin = "type: time_parser, parse_from: body, layout: '%Y-%m-%d %H:%M:%S', location: Europe/Berlin";
    lines(&[
        (
            go,
            "2024-05-06T07:08:09.25+02:00",
            r#"time=2024-05-06T05:08:09.25Z "2024-05-06T07:08:09.25+02:00""#,
        ),
        (go, "2024-05-06 07:08:09", ""),
        (go, "1960-05-06T07:08:09Z", ""),
        (berlin, "2024-05-06 07:08:09", r#"time=2024-05-06T05:08:09Z "2024-05-06 07:08:09""#),
        (berlin, "2024-01-06 07:08:09,5", r#"time=2024-01-06T06:08:09.5Z "2024-01-06 07:08:09,5""#),
        (
            "type: time_parser, parse_from: body, layout: '%d/%b/%Y:%H:%M:%S %z'",
            "06/May/2024:07:08:09 +0000",
            r#"time=2024-05-06T07:08:09Z "06/May/2024:07:08:09 +0000""#,
        ),
        (
            "type: time_parser, parse_from: body, layout: '%Y-%m-%d %H:%M:%S.%L'",
            "2024-05-06 07:08:09.123456",
            r#"time=2024-05-06T07:08:09.123456Z "2024-05-06 07:08:09.123456""#,
        ),
        (
            "type: time_parser, parse_from: body, layout: '%Y-%m-%dT%H:%M:%SZ'",
            "2024-05-06T07:08:09Z",
            r#"time=2024-05-06T07:08:09Z "2024-05-06T07:08:09Z""#,
        ),
        (
            "type: time_parser, parse_from: body, layout: '%Y-%m-%d %H:%M %Z'",
            "2024-05-06 07:08 UTC",
            r#"time=2024-05-06T07:08:00Z "2024-05-06 07:08 UTC""#,
        ),
        ("type: time_parser, parse_from: body, layout: '%Y-%m-%d %H:%M %Z'", "2024-05-06 07:08 QQQ", ""),
        (
            "type: time_parser, parse_from: body, layout_type: epoch, layout: s",
            "1714979289",
            r#"time=2024-05-06T07:08:09Z "1714979289""#,
        ),
        ("type: time_parser, parse_from: body, layout_type: epoch, layout: s", "soon", ""),
    ]);
    table(&[
        (
            "type: time_parser, parse_from: body, layout_type: epoch, layout: ms",
            r#"{"body": 1714979289500}"#,
            "time=2024-05-06T07:08:09.5Z 1714979289500",
        ),
        (
            "type: time_parser, parse_from: body, layout_type: epoch, layout: s.ns",
            r#"{"body": 1714979289.5}"#,
            "time=2024-05-06T07:08:09.5Z 1714979289.5",
        ),
        ("type: time_parser, parse_from: body, layout: '%Y'", r#"{"body": 2024}"#, ""),
        ("type: time_parser, parse_from: attributes.t, layout: '%Y'", r#"{"body": "x"}"#, ""),
    ]);
    refused(&[
        ("type: time_parser, layout: '%Y'", "\"parse_from\""),
        ("type: time_parser, parse_from: body", "\"layout\""),
        ("type: time_parser, parse_from: body, layout: '%Y-%E'", "unknown directive \"%E\""),
        ("type: time_parser, parse_from: body, layout: '2006'", "is a digit"),
        ("type: time_parser, parse_from: body, layout_type: epoch, layout: days", "invalid epoch layout"),
        ("type: time_parser, parse_from: body, layout_type: julian, layout: x", "julian"),
        ("type: time_parser, parse_from: body, layout: '%Y', location: Mars/Base", "no known time zone"),
    ]);
}

#[test]
fn severity_parser() {
    let mapped = "type: severity_parser, parse_from: body, mapping: {error: [oops, 5xx], fatal: {min: 20, max: 10}, warn: 7, info2: Notice}";
    lines(&[
        ("type: severity_parser, parse_from: body", "INFO", r#"severity=9 text=INFO "INFO""#),
        ("type: severity_parser, parse_from: body", "Warning", r#"severity=13 text=Warning "Warning""#),
        ("type: severity_parser, parse_from: body", "err3", r#"severity=19 text=err3 "err3""#),
        ("type: severity_parser, parse_from: body", "12", r#"severity=12 text=12 "12""#),
        ("type: severity_parser, parse_from: body", "critical", r#"text=critical "critical""#),
        ("type: severity_parser, parse_from: body", "Information", r#"text=Information "Information""#),
        (
            "type: severity_parser, parse_from: body, overwrite_text: true",
            "warning",
            r#"severity=13 text=WARN "warning""#,
        ),
        ("type: severity_parser, parse_from: body, overwrite_text: true", "huh", r#"text=huh "huh""#),
        ("type: severity_parser, parse_from: body, preset: otel", "warning", r#"text=warning "warning""#),
        ("type: severity_parser, parse_from: body, preset: none", "info", r#"text=info "info""#),
        (mapped, "OOPS", r#"severity=17 text=OOPS "OOPS""#),
        (mapped, "notice", r#"severity=10 text=notice "notice""#),
        (mapped, "503", r#"severity=17 text=503 "503""#),
        (mapped, "15", r#"severity=21 text=15 "15""#),
        (mapped, "7", r#"severity=13 text=7 "7""#),
    ]);
    table(&[
        ("type: severity_parser, parse_from: body", r#"{"body": 9}"#, "severity=9 text=9 9"),
        ("type: severity_parser, parse_from: body", r#"{"body": 9.0}"#, "severity=9 text=9 9.0"),
        ("type: severity_parser, parse_from: body", r#"{"body": 9.5}"#, ""),
        ("type: severity_parser, parse_from: body", r#"{"body": true}"#, ""),
        ("type: severity_parser, parse_from: attributes.level", r#"{"body": "x"}"#, ""),
    ]);
    refused(&[
        ("type: severity_parser", "\"parse_from\""),
        ("type: severity_parser, parse_from: body, preset: loud", "loud"),
        ("type: severity_parser, parse_from: body, mapping: {info: {min: 0, max: 999999999}}", "may span"),
        ("type: severity_parser, parse_from: body, mapping: {info: {low: 0}}", "low"),
    ]);
}

#[test]
fn trace_parser() {
    table(&[
        (
            "type: trace_parser",
            r#"{"body": {"trace_id": "480140f3d770a5ae32f0a22b6a812cff", "span_id": "92c3792d54ba94f3", "trace_flags": "01"}}"#,
            r#"trace=480140f3d770a5ae32f0a22b6a812cff/92c3792d54ba94f3/1 {"span_id":"92c3792d54ba94f3","trace_flags":"01","trace_id":"480140f3d770a5ae32f0a22b6a812cff"}"#,
        ),
        (
            "type: trace_parser, trace_id: {parse_from: attributes.t}, span_id: {parse_from: attributes.s}",
            r#"{"attributes": {"t": "0102", "s": "010203040506070809"}}"#,
            r#"trace=01020000000000000000000000000000/0102030405060708/0 @{"s":"010203040506070809","t":"0102"}"#,
        ),
        ("type: trace_parser", r#"{"body": "x"}"#, "\"x\""),
        ("type: trace_parser", r#"{"body": {"trace_id": "xyz"}}"#, ""),
        ("type: trace_parser", r#"{"body": {"span_id": "012"}}"#, ""),
        ("type: trace_parser", r#"{"body": {"span_id": 5}}"#, ""),
    ]);
}

#[test]
fn scope_name_parser() {
    table(&[
        (
            "type: scope_name_parser, parse_from: body.logger",
            r#"{"body": {"logger": "app.db"}}"#,
            r#"scope=app.db {"logger":"app.db"}"#,
        ),
        ("type: scope_name_parser, parse_from: body.logger", r#"{"body": {"logger": 1}}"#, ""),
        ("type: scope_name_parser, parse_from: body.logger", r#"{"body": {}}"#, ""),
    ]);
    refused(&[("type: scope_name_parser", "\"parse_from\"")]);
}
