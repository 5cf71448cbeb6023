//! No statement that compiles panics on any data, or takes long. The input chooses functions and
//! arguments from the language's own reference, and what the attributes hold.

#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use kmagent::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use kmagent::otlp::metrics::{
    Data as MetricData, Gauge, Metric, Number, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use kmagent::otlp::trace::{Event, ResourceSpans, ScopeSpans, Span};
use kmagent::otlp::{AnyValue, KeyValue, Resource};
use kmagent::ottl::{ContextKind, Statement, for_each_item, reference};
use kmagent::pipeline::Data;
use libfuzzer_sys::fuzz_target;

/// No statement may take longer on one item.
const LONGEST: Duration = Duration::from_secs(2);

/// A function as the reference shows it.
struct Function {
    name: String,
    is_editor: bool,
    /// What each argument is called to be, and whether it can be left out.
    params: Vec<(String, bool)>,
    contexts: Vec<ContextKind>,
}

static FUNCTIONS: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let text = reference();
    let functions: Vec<Function> = text.lines().filter_map(function).collect();
    assert!(functions.len() > 100, "the reference could not be read");
    functions
});

/// A row such as ``| `Name(a, b?)` | `a`: string<br>`b`: int | all | What it does. |``.
fn function(row: &str) -> Option<Function> {
    let row = row.strip_prefix("| `")?;
    let (signature, rest) = row.split_once("` | ")?;
    let (name, names) = signature.strip_suffix(')')?.split_once('(')?;
    let rest = rest.replace("\\|", "¦");
    let mut cells = rest.split(" | ");
    let kinds = cells.next()?;
    let contexts = cells.next()?;
    let mut params = Vec::new();
    for (name, kind) in names.split(", ").filter(|name| !name.is_empty()).zip(kinds.split("<br>")) {
        params.push((kind.split_once(": ")?.1.to_owned(), name.ends_with('?')));
    }
    let contexts: Vec<ContextKind> = match contexts {
        "all" => ContextKind::ALL.to_vec(),
        names => {
            ContextKind::ALL.into_iter().filter(|c| names.split(", ").any(|name| name == c.name())).collect()
        }
    };
    (!contexts.is_empty()).then(|| Function {
        name: name.to_owned(),
        is_editor: name.starts_with(char::is_lowercase),
        params,
        contexts,
    })
}

/// The bytes of the input, one after the other; 0 when there are no more.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> usize {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                usize::from(*first)
            }
            None => 0,
        }
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.byte() % from.len()]
    }

    fn text(&mut self) -> String {
        let len = (self.byte() % 24).min(self.0.len());
        let (text, rest) = self.0.split_at(len);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn value(&mut self, depth: usize) -> AnyValue {
        match self.byte() % 10 {
            0 => AnyValue::Empty,
            1 => AnyValue::Bool(self.byte() % 2 == 0),
            2 => AnyValue::Int((self.byte() as i64 - 128).wrapping_pow(1 + self.byte() as u32 % 9)),
            3 => AnyValue::Double(f64::from_bits((0..8).fold(0, |bits, _| bits << 8 | self.byte() as u64))),
            4 => AnyValue::Bytes(self.text().into_bytes()),
            5 if depth > 0 => (0..self.byte() % 4).map(|_| self.value(depth - 1)).collect::<Vec<_>>().into(),
            6 if depth > 0 => self.attributes(depth - 1).into(),
            7 => AnyValue::from(*self.pick(&[
                "{\"a\":[1,{\"b\":null}]}",
                "k=v k2='x y'",
                "a,b\n\"c\",d",
                "<a b=\"c\">d<e/></a>",
                "2024-02-29T12:00:00Z",
                "https://u:p@h:1/a?b=c#d",
            ])),
            _ => AnyValue::from(self.text()),
        }
    }

    fn attributes(&mut self, depth: usize) -> Vec<KeyValue> {
        (0..self.byte() % 4).map(|n| KeyValue::new(["a", "b", "c"][n], self.value(depth))).collect()
    }

    fn argument(&mut self, kind: &str, depth: usize) -> String {
        const A: &str = "resource.attributes[\"a\"]";
        const B: &str = "resource.attributes[\"b\"]";
        let quoted = |text: String| format!("{text:?}").replace("\\'", "'");
        if kind.contains("path") {
            return (*self.pick(&[A, "resource.attributes", "resource.attributes[\"b\"][\"a\"]"])).to_owned();
        }
        if kind.starts_with('"') {
            return (*self.pick(&kind.split(" ¦ ").collect::<Vec<_>>())).to_owned();
        }
        match (kind, self.byte() % 4) {
            ("literal string", _) => {
                quoted((*self.pick(&["%{NUMBER:n:int}", "%{WORD:a} %{GREEDYDATA:b}", ""])).to_owned())
            }
            ("function name", _) => (*self.pick(&["SHA256", "ToUpperCase", "Len"])).to_owned(),
            (_, 0) if depth > 0 => self.converter(depth - 1),
            (_, 1) => A.to_owned(),
            (_, 2) => B.to_owned(),
            ("int", _) => (self.byte() as i64 - 128).to_string(),
            ("float", _) => format!("{}.5", self.byte() as i64 - 128),
            ("bool", _) => (self.byte() % 2 == 0).to_string(),
            ("list" | "list of strings", _) => format!("[{A}, {}]", quoted(self.text())),
            ("map", _) => format!("{{\"x\": {A}}}"),
            ("time", _) => format!("Unix({})", self.byte() * 1_000_000_000),
            ("duration", _) => "Duration(\"1h2m3s\")".to_owned(),
            ("time layout", _) => quoted((*self.pick(&["%Y-%m-%dT%H:%M:%S%z", "%b %e %f", "%s"])).to_owned()),
            _ => quoted(self.text()),
        }
    }

    fn call(&mut self, function: &Function, depth: usize) -> String {
        let required = function.params.iter().filter(|(_, optional)| !optional).count();
        let count = required + self.byte() % (function.params.len() - required + 1);
        let args: Vec<String> =
            function.params[..count].iter().map(|(kind, _)| self.argument(kind, depth)).collect();
        format!("{}({})", function.name, args.join(", "))
    }

    fn converter(&mut self, depth: usize) -> String {
        let converters: Vec<&Function> =
            FUNCTIONS.iter().filter(|function| !function.is_editor && function.contexts.len() == 7).collect();
        let function = *self.pick(&converters);
        self.call(function, depth)
    }

    fn statement(&mut self) -> (ContextKind, String) {
        let function = self.pick(&FUNCTIONS);
        let context = *self.pick(&function.contexts);
        let call = self.call(function, 2);
        let editor =
            if function.is_editor { call } else { format!("set({}.cache[\"x\"], {call})", context.name()) };
        if self.byte() % 3 == 0 {
            let (left, right) = (self.converter(1), self.converter(1));
            let compare = self.pick(&["==", "!=", "<", ">="]);
            return (context, format!("{editor} where not ({left} {compare} {right}) or true"));
        }
        (context, editor)
    }

    fn data(&mut self, context: ContextKind) -> Data {
        let resource = Some(Resource { attributes: self.attributes(3), ..Resource::default() });
        let attributes = self.attributes(2);
        match context {
            ContextKind::Metric | ContextKind::DataPoint => {
                let point = NumberDataPoint {
                    value: Some(Number::Int(self.byte() as i64)),
                    attributes,
                    ..NumberDataPoint::default()
                };
                let data = Some(MetricData::Gauge(Gauge { data_points: vec![point; 2] }));
                let scope = ScopeMetrics {
                    metrics: vec![Metric { data, ..Metric::default() }],
                    ..ScopeMetrics::default()
                };
                Data::Metrics(vec![ResourceMetrics {
                    resource,
                    scope_metrics: vec![scope],
                    ..ResourceMetrics::default()
                }])
            }
            ContextKind::Span | ContextKind::SpanEvent => {
                let span =
                    Span { name: self.text(), attributes, events: vec![Event::default()], ..Span::default() };
                let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
                Data::Traces(vec![ResourceSpans {
                    resource,
                    scope_spans: vec![scope],
                    ..ResourceSpans::default()
                }])
            }
            _ => {
                let record = LogRecord { body: Some(self.value(2)), attributes, ..LogRecord::default() };
                let scope = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
                Data::Logs(vec![ResourceLogs {
                    resource,
                    scope_logs: vec![scope],
                    ..ResourceLogs::default()
                }])
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let (context, text) = input.statement();
    // Literal arguments may be refused; what compiles runs.
    let Ok(statement) = Statement::compile(&text, context) else { return };
    let mut data = input.data(context);
    for_each_item(&mut data, context, |item| {
        let started = Instant::now();
        let _ = statement.run(item).map_err(|error| error.to_string());
        assert!(started.elapsed() < LONGEST, "{text}");
    });
});
