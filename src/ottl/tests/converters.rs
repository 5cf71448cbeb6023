//! One table for all converters: usual, nil, wrong and edge arguments. `e` is an attribute that is
//! missing, `s` a string, `i` an int, `d` a float, `b` a bool, `y` bytes, `m` a map, `l` a list.

use crate::otlp::{AnyValue, KeyValue};
use crate::ottl::functions;
use crate::ottl::testing::eval;

fn attributes() -> Vec<KeyValue> {
    vec![
        KeyValue::fixed("s", "Some text"),
        KeyValue::fixed("i", 42),
        KeyValue::fixed("d", 2.5),
        KeyValue::fixed("b", true),
        KeyValue::fixed("y", AnyValue::Bytes(vec![1, 0xab])),
        KeyValue::fixed("m", vec![KeyValue::fixed("k", "v"), KeyValue::fixed("n", 1)]),
        KeyValue::fixed("l", vec![AnyValue::from("x"), AnyValue::Int(2)]),
    ]
}

/// Runs `expression` with `$x` for `attributes["x"]`.
fn run(expression: &str) -> Result<AnyValue, String> {
    let mut full = expression.to_owned();
    for name in ["s", "i", "d", "b", "y", "m", "l", "e"] {
        full = full.replace(&format!("${name}"), &format!("attributes[\"{name}\"]"));
    }
    eval(attributes(), &full)
}

/// The expression gives the literal, written in the language.
fn gives(expression: &str, literal: &str) {
    let wanted = run(literal).expect(literal);
    assert_eq!(run(expression), Ok(wanted), "{expression}");
}

fn fails(expression: &str) {
    let found = run(expression);
    assert!(found.is_err(), "{expression} gives {found:?}");
}

#[test]
fn strings() {
    for (expression, want) in [
        ("Concat([\"a\", 1, 1.5, true, nil], \"-\")", "\"a-1-1.5-true-<nil>\""),
        ("Concat([$s, $m, $i], \"\")", "\"Some text42\""),
        ("Concat([], \",\")", "\"\""),
        ("Concat([$y, $e], \" \")", "\"01ab <nil>\""),
        ("Concat($l, \"+\")", "\"x+2\""),
        ("ConvertCase($s, \"upper\")", "\"SOME TEXT\""),
        ("ConvertCase(\"ÄB\", \"lower\")", "\"äb\""),
        ("ConvertCase(\"\", \"snake\")", "\"\""),
        ("ToSnakeCase(\"someHTTPName-x\")", "\"some_http_name_x\""),
        ("ToCamelCase(\"some_http-name\")", "\"SomeHttpName\""),
        ("ToLowerCase($s)", "\"some text\""),
        ("ToUpperCase(\"a\")", "\"A\""),
        ("HasPrefix($s, \"Some\")", "true"),
        ("HasPrefix($s, \"\")", "true"),
        ("HasSuffix($s, \"Some\")", "false"),
        ("IsMatch($s, \"t.xt$\")", "true"),
        ("IsMatch($s, \"(?i)SOME\")", "true"),
        ("IsMatch($i, \"^42$\")", "true"),
        ("IsMatch($e, \".*\")", "false"),
        ("IsMatch($m, \"\\\"k\\\":\\\"v\\\"\")", "true"),
        ("IsMatch($y, \"^01ab$\")", "true"),
        ("IsMatch($s, Concat([\"S\", \"o\"], \"\"))", "true"),
        ("Split(\"a,,b\", \",\")", "[\"a\", \"\", \"b\"]"),
        ("Split(\"\", \",\")", "[\"\"]"),
        ("Split(\"aé\", \"\")", "[\"a\", \"é\"]"),
        ("Substring($s, 0, 4)", "\"Some\""),
        ("Substring($s, 5, 4)", "\"text\""),
        ("Substring(\"aéb\", 0, 2)", "\"a\""),
        ("Trim(\"  a \")", "\"a\""),
        ("Trim(\"xyaxy\", \"xy\")", "\"a\""),
        ("Trim(\"   \")", "\"\""),
        ("TrimPrefix($s, \"Some \")", "\"text\""),
        ("TrimPrefix($s, \"none\")", "$s"),
        ("TrimSuffix($s, \" text\")", "\"Some\""),
    ] {
        gives(expression, want);
    }
    for expression in [
        "ConvertCase($e, \"upper\")",
        "ConvertCase($i, \"upper\")",
        "ConvertCase($s, \"wild\")",
        "ToLowerCase($e)",
        "HasPrefix($e, \"a\")",
        "HasPrefix($s, $e)",
        "HasSuffix($i, \"a\")",
        "IsMatch($s, \"(\")",
        "IsMatch($s, $i)",
        "Split($e, \",\")",
        "Split($i, \",\")",
        "Substring($s, -1, 2)",
        "Substring($s, 0, 0)",
        "Substring($s, 0, 10)",
        "Substring($s, 9223372036854775807, 9223372036854775807)",
        "Substring($e, 0, 1)",
        "Trim($e)",
        "TrimPrefix($i, \"a\")",
        "Concat($s, \",\")",
        "Concat([\"a\"], $i)",
    ] {
        fails(expression);
    }
}

#[test]
fn types() {
    for (expression, want) in [
        ("Bool(\"True\")", "true"),
        ("Bool(\"yes\")", "nil"),
        ("Bool(0)", "false"),
        ("Bool($d)", "true"),
        ("Bool($e)", "nil"),
        ("Double(\"1e3\")", "1000.0"),
        ("Double(\"x\")", "nil"),
        ("Double($i)", "42.0"),
        ("Double($b)", "1.0"),
        ("Double($e)", "nil"),
        ("Hex($i)", "\"000000000000002a\""),
        ("Hex($b)", "\"01\""),
        ("Hex(\"AZ\")", "\"415a\""),
        ("Hex($y)", "\"01ab\""),
        ("Hex($m)", "nil"),
        ("Hex($e)", "nil"),
        ("Int($d)", "2"),
        ("Int(-2.9)", "-2"),
        ("Int(\"-7\")", "-7"),
        ("Int(\"7.5\")", "nil"),
        ("Int($b)", "1"),
        ("Int($e)", "nil"),
        ("Int($m)", "nil"),
        ("IsBool($b)", "true"),
        ("IsBool($e)", "false"),
        ("IsDouble($d)", "true"),
        ("IsDouble($i)", "false"),
        ("IsInt($i)", "true"),
        ("IsString($s)", "true"),
        ("IsString($y)", "false"),
        ("IsMap($m)", "true"),
        ("IsMap($e)", "false"),
        ("IsList($l)", "true"),
        ("IsList(Split(\"a\", \",\"))", "true"),
        ("Len($s)", "9"),
        ("Len(\"é\")", "2"),
        ("Len($m)", "2"),
        ("Len($l)", "2"),
        ("String($i)", "\"42\""),
        ("String($d)", "\"2.5\""),
        ("String($b)", "\"true\""),
        ("String($y)", "\"01ab\""),
        ("String($m)", "\"{\\\"k\\\":\\\"v\\\",\\\"n\\\":1}\""),
        ("String($l)", "\"[\\\"x\\\",2]\""),
        ("String($e)", "nil"),
        ("String(SpanID(\"0102030405060708\"))", "\"0102030405060708\""),
        ("String(Duration(\"90s\"))", "\"1m30s\""),
        ("IsValidLuhn(\"17893729974\")", "true"),
        ("IsValidLuhn(17893729975)", "false"),
        ("IsValidLuhn(\"17 8\")", "false"),
        ("IsValidLuhn($e)", "false"),
        ("Log(1)", "0.0"),
        ("ParseInt(\"ff\", 16)", "255"),
        ("ParseInt(\"-0b101\", 0)", "-5"),
        ("ParseInt(\"+010\", 0)", "8"),
    ] {
        gives(expression, want);
    }
    for expression in [
        "Len($e)",
        "Len($i)",
        "Log(0)",
        "Log($e)",
        "Log(-1.0)",
        "ParseInt(\"9\", 8)",
        "ParseInt(\"1\", 1)",
        "ParseInt(\"1\", 37)",
        "ParseInt(\"\", 10)",
        "ParseInt($e, 10)",
        "ParseInt($i, 10)",
        "ParseInt(\"1_000\", 10)",
        "ParseInt(\"99999999999999999999\", 10)",
        "ParseInt(\"--1\", 10)",
    ] {
        fails(expression);
    }
}

#[test]
fn lists_and_maps() {
    for (expression, want) in [
        ("Coalesce([$e, nil, $i, $s])", "42"),
        ("Coalesce([])", "nil"),
        ("ContainsValue($l, 2)", "true"),
        ("ContainsValue($l, 2.0)", "true"),
        ("ContainsValue($l, \"2\")", "false"),
        ("ContainsValue([1, nil], nil)", "true"),
        ("Index($s, \"text\")", "5"),
        ("Index($s, \"none\")", "-1"),
        ("Index($l, 2)", "1"),
        ("Index($l, $e)", "-1"),
        ("Keys($m)", "[\"k\", \"n\"]"),
        ("Keys({})", "[]"),
        ("Values($m)", "[\"v\", 1]"),
        ("Sort([3, 1, 2])", "[1, 2, 3]"),
        ("Sort([3, 1.5], \"desc\")", "[3.0, 1.5]"),
        ("Sort([\"b\", 1, true])", "[\"1\", \"b\", \"true\"]"),
        ("Sort([{}, 1])", "[{}, 1]"),
        ("Sort($s)", "$s"),
        (
            "SliceToMap([{\"n\": \"a\", \"v\": {\"x\": 1}}, {\"v\": 2}], [\"n\"], [\"v\", \"x\"])",
            "{\"a\": 1}",
        ),
        ("SliceToMap([{\"n\": \"a\"}], [\"n\"])", "{\"a\": {\"n\": \"a\"}}"),
        ("SliceToMap($l)", "{\"0\": \"x\", \"1\": 2}"),
    ] {
        gives(expression, want);
    }
    for expression in [
        "ContainsValue($e, 1)",
        "Index($e, 1)",
        "Index($s, 1)",
        "Keys($e)",
        "Keys($s)",
        "Values($l)",
        "SliceToMap($m)",
        "Sort([1], \"up\")",
    ] {
        fails(expression);
    }
}

#[test]
fn hashes_agree_with_published_values() {
    for (expression, want) in [
        ("FNV(\"hello\")", "-6615550055289275125"),
        ("MD5(\"\")", "\"d41d8cd98f00b204e9800998ecf8427e\""),
        ("SHA1(\"abc\")", "\"a9993e364706816aba3e25717850c26c9cd0d89d\""),
        ("SHA256(\"abc\")", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""),
        ("Substring(SHA512(\"abc\"), 0, 16)", "\"ddaf35a193617aba\""),
        ("Murmur3Hash(\"Hello World\")", "\"ce837619\""),
        ("Murmur3Hash128(\"Hello World\")", "\"dbc2a0c1ab26631a27b4c09fcf1fe683\""),
        ("XXH3(\"\")", "\"2d06800538d394c2\""),
        ("XXH128(\"\")", "\"99aa06d3014798d86001c324468d497f\""),
    ] {
        gives(expression, want);
    }
    for function in
        ["FNV", "MD5", "SHA1", "SHA256", "SHA512", "Murmur3Hash", "Murmur3Hash128", "XXH3", "XXH128"]
    {
        fails(&format!("{function}($e)"));
        fails(&format!("{function}($i)"));
    }
}

#[test]
fn times() {
    let at = "Time(\"2023-02-04T10:20:30.5Z\", \"%Y-%m-%dT%H:%M:%S.%f%z\")";
    for (function, want) in [
        ("Year", "2023"),
        ("Month", "2"),
        ("Day", "4"),
        ("Hour", "10"),
        ("Minute", "20"),
        ("Second", "30"),
        ("Nanosecond", "500000000"),
        ("Weekday", "6"),
        ("UnixSeconds", "1675506030"),
        ("UnixMilli", "1675506030500"),
        ("UnixMicro", "1675506030500000"),
        ("UnixNano", "1675506030500000000"),
    ] {
        gives(&format!("{function}({at})"), want);
        fails(&format!("{function}($e)"));
        fails(&format!("{function}($i)"));
    }
    for (expression, want) in [
        ("Hours(Duration(\"90m\"))", "1.5"),
        ("Minutes(Duration(\"-90s\"))", "-1.5"),
        ("Seconds(Duration(\"1.5s\"))", "1.5"),
        ("Milliseconds(Duration(\"1.5s\"))", "1500"),
        ("Microseconds(Duration(\"1ms\"))", "1000"),
        ("Nanoseconds(Duration(\"1µs\"))", "1000"),
        (
            "FormatTime(Unix(1675506030, 500000000), \"%A %h %e %Y, %I:%M:%S.%L %p %j\")",
            "\"Saturday Feb  4 2023, 10:20:30.500 AM +00:00\"",
        ),
        (
            "FormatTime(Time(\"04/02/23 23:00 +0530\", \"%d/%m/%y %H:%M %z\"), \"%F %T %z\")",
            "\"2023-02-04 23:00:00 +0530\"",
        ),
        ("UnixSeconds(Time(\"2023-02-04 10:20:30,25\", \"%F %T\", \"UTC\"))", "1675506030"),
        ("UnixSeconds(Time(\"Feb 4 2023 10PM\", \"%b %g %Y %l%p\", \"UTC\"))", "1675548000"),
        ("String(TruncateTime(Unix(1675506030), Duration(\"1h\")))", "\"2023-02-04T10:00:00Z\""),
        ("String(TruncateTime(Unix(1675506030), Duration(\"168h\")))", "\"2023-01-30T00:00:00Z\""),
        ("String(TruncateTime(Unix(-1), Duration(\"1m\")))", "\"1969-12-31T23:59:00Z\""),
    ] {
        gives(expression, want);
    }
    assert!(matches!(run("UnixNano(Now())"), Ok(AnyValue::Int(now)) if now > 1_700_000_000_000_000_000));
    for expression in [
        "Duration(\"1 hour\")",
        "Duration($e)",
        "Hours($i)",
        "Time(\"x\", \"%Y\")",
        "Time($e, \"%Y\")",
        "Time(\"2023\", \"%E\")",
        "Time(\"2023-02-30\", \"%F\")",
        "Time(\"2023-02-04 \", \"%F\")",
        "Time(\"2023\", \"%Y\", \"Mars/Base\")",
        "Time(\"9999-01-01\", \"%F\", \"UTC\")",
        "FormatTime($s, \"%Y\")",
        "Unix(9223372036854775807)",
        "Unix($e)",
        "TruncateTime($e, Duration(\"1s\"))",
        "FormatTime(Now(), \"%\")",
        "Time(\"4 février 2023\", \"%g %B %Y\", \"UTC\", \"fr\")",
    ] {
        fails(expression);
    }
}

#[test]
fn parsers() {
    for (expression, want) in [
        ("ParseJSON(\"{\\\"a\\\": [1, null, {\\\"b\\\": true}], \\\"a\\\": 2}\")", "{\"a\": 2.0}"),
        ("ParseJSON(\" [1, null, \\\"x\\\"] \")", "[1.0, nil, \"x\"]"),
        (
            "ExtractPatterns($s, \"(?P<first>\\\\w+) (?P<second>\\\\w+)|(?P<third>x)\")",
            "{\"first\": \"Some\", \"second\": \"text\", \"third\": \"\"}",
        ),
        ("ExtractPatterns($s, \"(?P<0>(t.*))\")", "{\"0\": \"text\"}"),
        ("ExtractPatterns($s, \"(?P<x>none)\")", "{}"),
        (
            "ExtractGrokPatterns(\"1.2.3.4 200 true\", \"%{IP:client.ip} %{NUMBER:code:int} %{BOOL:ok:boolean}\", true)",
            "{\"client.ip\": \"1.2.3.4\", \"code\": 200, \"ok\": true}",
        ),
        (
            "ExtractGrokPatterns(\"x=5\", \"%{K}=%{V:v:float}\", false, [\"K=\\\\w\", \"V=%{INT}\"])",
            "{\"K\": \"x\", \"v\": 5.0}",
        ),
        ("ExtractGrokPatterns(\"\", \"%{IP:ip}\")", "{}"),
        ("ParseCSV(\"a,\\\"b,\\\"\\\"c\\\"\\\"\\\"\", \"x,y\")", "{\"x\": \"a\", \"y\": \"b,\\\"c\\\"\"}"),
        ("ParseCSV(\"a|b\", \"x y\", \"|\", \" \")", "{\"x\": \"a\", \"y\": \"b\"}"),
        (
            "ParseCSV(\"a \\\"q\\\" z,b\", \"x,y\", mode=\"lazyQuotes\")",
            "{\"x\": \"a \\\"q\\\" z\", \"y\": \"b\"}",
        ),
        ("ParseCSV(\"\\\"a,b\\\"\", \"x,y\", mode=\"ignoreQuotes\")", "{\"x\": \"\\\"a\", \"y\": \"b\\\"\"}"),
        ("ParseKeyValue(\"a=1 b='x y=z'  c=\\\"\\\"\")", "{\"a\": \"1\", \"b\": \"x y=z\", \"c\": \"\"}"),
        ("ParseKeyValue(\"a:1|b:2\", \":\", \"|\")", "{\"a\": \"1\", \"b\": \"2\"}"),
        ("ToKeyValueString({\"b\": \"x y\", \"a\": 1}, sort_output=true)", "\"a=1 b=\\\"x y\\\"\""),
        ("ToKeyValueString({}, \":\", \",\")", "\"\""),
        ("ParseSeverity(\"err\", {\"info\": [\"inf\"], \"error\": [\"err\"]})", "\"error\""),
        ("ParseSeverity(404, {\"warn\": [{\"min\": 400, \"max\": 499}]})", "\"warn\""),
        (
            "ParseSeverity(503, {\"warn\": [{\"range\": \"4xx\"}], \"error\": [{\"range\": \"5xx\"}]})",
            "\"error\"",
        ),
        ("Decode(\"aGk=\", \"base64\")", "\"hi\""),
        ("Decode(\"aGk\", \"base64-raw\")", "\"hi\""),
        ("Decode(Base64Encode(\"h?~\", \"base64-url\"), \"base64-url\")", "\"h?~\""),
        ("Decode(0xe9, \"iso-8859-1\")", "\"é\""),
        ("Base64Decode(\"aGk=\")", "\"hi\""),
        ("Base64Encode(\"hi\")", "\"aGk=\""),
    ] {
        gives(expression, want);
    }
    for expression in [
        "ParseJSON(\"{\\\"a\\\":}\")",
        "ParseJSON(\"1\")",
        "ParseJSON(\"\")",
        "ParseJSON($e)",
        "ParseJSON($i)",
        "ParseJSON(\"{} {}\")",
        "ExtractPatterns($e, \"(?P<a>.)\")",
        "ExtractPatterns($i, \"(?P<a>.)\")",
        "ExtractPatterns($s, \"(.)\")",
        "ExtractGrokPatterns($e, \"%{IP:ip}\")",
        "ExtractGrokPatterns($s, \"%{NOPE:x}\")",
        "ExtractGrokPatterns($s, \"%{A:x}\", true, [\"A=%{A}\"])",
        "ExtractGrokPatterns($s, \"%{IP:x:date}\")",
        "ParseCSV(\"a\", \"x,y\")",
        "ParseCSV($e, \"x\")",
        "ParseCSV(\"\\\"a\", \"x\")",
        "ParseCSV(\"a\\\"b\", \"x\")",
        "ParseCSV(\"a\", \"x\", \"ab\")",
        "ParseKeyValue(\"\")",
        "ParseKeyValue(\"a\")",
        "ParseKeyValue(\"a='x\")",
        "ParseKeyValue(\"a=1\", \"=\", \"=\")",
        "ParseKeyValue($e)",
        "ToKeyValueString($e)",
        "ToKeyValueString($s)",
        "ParseSeverity(\"x\", {\"info\": [\"y\"]})",
        "ParseSeverity($e, {})",
        "Decode($e, \"base64\")",
        "Decode(\"?\", \"base64\")",
        "Decode($s, \"klingon\")",
        "Decode($i, \"utf-8\")",
        "Base64Decode($e)",
    ] {
        fails(expression);
    }
}

#[test]
fn formats() {
    for (expression, want) in [
        (
            "Format(\"%02d-%5d|%-5d|%+d|%x|%#x|%b|%o\", [7, 42, 42, 42, 255, 255, 5, 8])",
            "\"07-   42|42   |+42|ff|0xff|101|10\"",
        ),
        (
            "Format(\"%s|%10s|%-5s|%.2s|%q|%x\", [\"a\", \"b\", \"c\", \"def\", \"g\\\"\", \"AZ\"])",
            "\"a|         b|c    |de|\\\"g\\\\\\\"\\\"|415a\"",
        ),
        (
            "Format(\"%f|%.2f|%8.3f|%e|%g|%g\", [1.5, 1.005, 2.0, 12345.678, 0.00001, 1.0e21])",
            "\"1.500000|1.00|   2.000|1.234568e+04|1e-05|1e+21\"",
        ),
        ("Format(\"%v %v %v %v %t %c %%\", [1, \"x\", 1.5, nil, true, 65])", "\"1 x 1.5 <nil> true A %\""),
        ("Format(\"%d\", [\"x\"])", "\"%!d(string=x)\""),
        ("Format(\"%s\", [1])", "\"%!s(int64=1)\""),
        ("Format(\"%d %d\", [1])", "\"1 %!d(MISSING)\""),
        ("Format(\"%d\", [1, 2])", "\"1%!(EXTRA int64=2)\""),
        ("Format(\"%\", [])", "\"%!(NOVERB)\""),
        ("Format(\"%06.2f|%05d\", [-1.5, -7])", "\"-01.50|-0007\""),
    ] {
        gives(expression, want);
    }
    fails("Format($e, [])");
    fails("Format(\"%99999d\", [1])");
    fails("Format(\"%d\", $e)");
}

#[test]
fn ids_and_addresses() {
    for (expression, want) in [
        ("String(TraceID(\"0102030405060708090a0b0c0d0e0f10\"))", "\"0102030405060708090a0b0c0d0e0f10\""),
        ("String(ProfileID(0x0102030405060708090a0b0c0d0e0f10))", "\"0102030405060708090a0b0c0d0e0f10\""),
        ("Len(UUID())", "36"),
        (
            "IsMatch(UUIDv7(), \"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$\")",
            "true",
        ),
        (
            "CommunityID(\"128.232.110.120\", 34855, \"66.35.250.204\", 80)",
            "\"1:LQU9qZlK+B5F3KDmev6m5PMibrg=\"",
        ),
        (
            "CommunityID(\"66.35.250.204\", 80, \"128.232.110.120\", 34855, \"tcp\")",
            "\"1:LQU9qZlK+B5F3KDmev6m5PMibrg=\"",
        ),
        ("IsInCIDR(\"10.1.2.3\", [\"192.168.0.0/16\", \"10.0.0.0/9\"])", "true"),
        ("IsInCIDR(\"10.128.0.0\", [\"10.0.0.0/9\"])", "false"),
        ("IsInCIDR(\"fd00::1\", [\"10.0.0.0/8\", \"fc00::/7\"])", "true"),
        ("URL(\"https://u:p@h.com:8080/a/b.txt?q=1#f\")[\"url.domain\"]", "\"h.com\""),
        ("URL(\"https://u:p@h.com:8080/a/b.txt?q=1#f\")[\"url.port\"]", "8080"),
        ("URL(\"https://u:p@h.com:8080/a/b.txt?q=1#f\")[\"url.extension\"]", "\"txt\""),
        ("Len(URL(\"/path\"))", "2"),
        (
            "UserAgent(\"curl/7.81.0\")",
            "{\"user_agent.name\": \"curl\", \"user_agent.version\": \"7.81.0\", \"user_agent.original\": \"curl/7.81.0\"}",
        ),
        (
            "UserAgent(\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\")[\"user_agent.name\"]",
            "\"Chrome\"",
        ),
        ("UserAgent(\"unheard of\")[\"user_agent.name\"]", "\"Other\""),
    ] {
        gives(expression, want);
    }
    for expression in [
        "TraceID(0x01)",
        "TraceID(\"zz02030405060708090a0b0c0d0e0f10\")",
        "TraceID($e)",
        "SpanID($s)",
        "SpanID($i)",
        "CommunityID(\"x\", 1, \"1.1.1.1\", 2)",
        "CommunityID(\"1.1.1.1\", 70000, \"1.1.1.1\", 2)",
        "CommunityID(\"1.1.1.1\", 1, \"1.1.1.1\", 2, \"ipx\")",
        "IsInCIDR($e, [\"10.0.0.0/8\"])",
        "IsInCIDR(\"10.0.0.1\", [\"10.0.0.0\"])",
        "IsInCIDR(\"10.0.0.1\", [\"10.0.0.0/33\"])",
        "URL($e)",
        "URL(\"no url\")",
        "URL(\"http://h:99999/\")",
        "UserAgent($e)",
    ] {
        fails(expression);
    }
}

#[test]
fn xml() {
    let text = "\"<a x='1'><b>t&amp;u</b><b y='2'>v</b>w<c><![CDATA[<z>]]></c></a>\"";
    for (expression, want) in [
        ("GetXML($t, \"/a/b\")", "\"<b>t&amp;u</b><b y=\\\"2\\\">v</b>\""),
        ("GetXML($t, \"//b[2]\")", "\"<b y=\\\"2\\\">v</b>\""),
        ("GetXML($t, \"//b[@y='2']/text()\")", "\"v\""),
        ("GetXML($t, \"/a[b='v']/@x\")", "\"1\""),
        ("GetXML($t, \"/a/c/text()\")", "\"<z>\""),
        ("GetXML($t, \"/none\")", "\"\""),
        ("RemoveXML($t, \"//b\")", "\"<a x=\\\"1\\\">w<c>&lt;z&gt;</c></a>\""),
        ("RemoveXML(\"<a x='1'>t</a>\", \"//@*\")", "\"<a>t</a>\""),
        ("RemoveXML(\"<a>t<b/></a>\", \"/a/text()\")", "\"<a><b></b></a>\""),
        ("InsertXML(\"<a><b/></a>\", \"/a\", \"<c>1</c>\")", "\"<a><b></b><c>1</c></a>\""),
        ("ConvertAttributesToElementsXML(\"<a x='1'><b y='2'/></a>\")", "\"<a><b><y>2</y></b><x>1</x></a>\""),
        (
            "ConvertAttributesToElementsXML(\"<a x='1'><b y='2'/></a>\", \"/a/b\")",
            "\"<a x=\\\"1\\\"><b><y>2</y></b></a>\"",
        ),
        ("ConvertTextToElementsXML(\"<a><b>t</b>u</a>\")", "\"<a><b>t</b><value>u</value></a>\""),
        ("ConvertTextToElementsXML(\"<a><b/>u</a>\", \"/a\", \"n\")", "\"<a><b></b><n>u</n></a>\""),
        (
            "ParseXML(\"<?xml version='1.0'?><a x='1'>t<b/></a>\")",
            "{\"tag\": \"a\", \"attributes\": {\"x\": \"1\"}, \"content\": \"t\", \"children\": [{\"tag\": \"b\"}]}",
        ),
        (
            "ParseSimplifiedXML(\"<a><b>1</b><b>2</b><c><d>3</d></c></a>\")",
            "{\"a\": {\"b\": [\"1\", \"2\"], \"c\": {\"d\": \"3\"}}}",
        ),
    ] {
        gives(&expression.replace("$t", text), want);
    }
    for expression in [
        "GetXML($e, \"/a\")",
        "GetXML(\"<a>\", \"/a\")",
        "GetXML(\"<a/>\", \"a\")",
        "GetXML(\"<a/>\", \"/a[\")",
        "GetXML(\"<a/>\", \"/@x/a\")",
        "ParseXML(\"\")",
        "ParseXML(\"<a>&lol;</a>\")",
        "ParseXML($i)",
        "ParseXML(\"<a></b>\")",
        "RemoveXML($e, \"/a\")",
        "InsertXML(\"<a/>\", \"/a\", $e)",
        "InsertXML(\"<a/>\", \"/a\", \"<b>\")",
        "ConvertTextToElementsXML($e)",
        "ParseSimplifiedXML($e)",
        "ConvertAttributesToElementsXML($e)",
    ] {
        fails(expression);
    }
    let deep = format!("{}{}", "<a>".repeat(1000), "</a>".repeat(1000));
    fails(&format!("ParseXML(\"{deep}\")"));
}

#[test]
fn hostile_data_is_bounded() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let many = format!("[{}1]", "1,".repeat(300_000));
    let long = "x".repeat(3 << 20);
    for (value, expression) in [
        (deep, "ParseJSON($s)"),
        (many, "ParseJSON($s)"),
        (long.clone(), "Concat([$s, $s], \"\")"),
        (",".repeat(300_000), "Split($s, \",\")"),
        (long, "Format(\"%s%s\", [$s, $s])"),
    ] {
        let attributes = vec![KeyValue::fixed("s", value)];
        let expression = expression.replace("$s", "attributes[\"s\"]");
        let found = eval(attributes, &expression).map(|_| ());
        assert!(found.is_err(), "{expression}");
    }
}

#[test]
fn every_converter_is_tested_above() {
    let source = include_str!("converters.rs");
    for function in functions::all().filter(|function| !function.is_editor() && function.contexts.is_empty())
    {
        let tested = source.contains(&format!("{}(", function.name))
            || source.contains(&format!("\"{}\"", function.name));
        assert!(tested, "{}", function.name);
    }
}
