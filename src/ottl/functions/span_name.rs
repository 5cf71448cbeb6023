//! `set_semconv_span_name`: span names as the semantic conventions want them.

use super::{Args, Function, ParamKind, opt, p};
use crate::otlp::trace::{Span, SpanKind};
use crate::otlp::{AnyValue, Attributes};
use crate::ottl::EvalError;
use crate::ottl::context::{ContextKind, Item, Record};
use crate::ottl::text::text_of_any;

pub const FUNCTIONS: &[Function] = &[Function::editor(
    "set_semconv_span_name",
    &[p("semconvVersion", ParamKind::LiteralText), opt("originalSpanNameAttribute", ParamKind::Text)],
    set_semconv_span_name,
    "Names a span by its attributes, with few different names; the old name can be kept in an attribute.",
)
.only(&[ContextKind::Span])
.check(check)];

/// The names are the same in all of these versions of the conventions.
const VERSIONS: [&str; 4] = ["1.37.0", "1.38.0", "1.39.0", "1.40.0"];

fn check(args: &mut Args) -> Result<(), (usize, String)> {
    match args.literal(0).and_then(AnyValue::as_str) {
        Some(version) if !VERSIONS.contains(&version.trim_start_matches('v')) => {
            Err((0, format!("unsupported version \"{version}\": use one of {}", VERSIONS.join(", "))))
        }
        _ if args.literal(1).and_then(AnyValue::as_str) == Some("") => {
            Err((1, "the name of the attribute must not be empty".to_owned()))
        }
        _ => Ok(()),
    }
}

fn set_semconv_span_name(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let keep = if args.is_missing(1) { None } else { Some(args.text(1, &item.view())?.into_str()) };
    let Record::Span(span) = &mut item.record else { return Ok(()) };
    let Some(name) = derived(span).filter(|name| *name != span.name) else { return Ok(()) };
    let original = std::mem::replace(&mut span.name, name);
    if let Some(attribute) = keep {
        span.attributes.set(attribute, original);
    }
    Ok(())
}

/// The name that the conventions give, where they give one.
fn derived(span: &Span) -> Option<String> {
    match SpanKind::try_from(span.kind) {
        Ok(SpanKind::Server) => http(span, "http.route").or_else(|| rpc(span)).or_else(|| messaging(span)),
        Ok(SpanKind::Client) => http(span, "url.template")
            .or_else(|| rpc(span))
            .or_else(|| database(span))
            .or_else(|| messaging(span)),
        Ok(SpanKind::Producer | SpanKind::Consumer) => messaging(span),
        _ => None,
    }
    .filter(|name| !name.is_empty())
}

/// The text of the first of these attributes that is there: today's name, then older ones.
fn text(span: &Span, keys: &[&str]) -> Option<String> {
    let value = keys.iter().find_map(|key| span.attributes.get(key))?;
    text_of_any(value).ok().map(|text| text.to_string())
}

fn http(span: &Span, target: &str) -> Option<String> {
    let method = text(span, &["http.request.method", "http.method"])?;
    Some(match text(span, &[target]) {
        Some(target) => format!("{method} {target}"),
        None => method,
    })
}

fn rpc(span: &Span) -> Option<String> {
    let system = text(span, &["rpc.system.name", "rpc.system"])?;
    let method = text(span, &["rpc.method", "rpc.grpc.method"]);
    let service = text(span, &["rpc.service", "rpc.grpc.service"]);
    Some(match (service, method) {
        (Some(service), Some(method)) => format!("{service}/{method}"),
        (None, Some(method)) => method,
        (Some(service), None) => format!("{service}/*"),
        (None, None) => system,
    })
}

fn database(span: &Span) -> Option<String> {
    let system = text(span, &["db.system.name", "db.system"])?;
    if let Some(summary) = text(span, &["db.query.summary"]) {
        return Some(summary);
    }
    let namespace = text(span, &["db.namespace", "db.name"]);
    let object = text(span, &["db.collection.name"]).or_else(|| text(span, &["db.stored_procedure.name"]));
    let target = match (namespace, object) {
        (Some(namespace), Some(object)) => Some(format!("{namespace}.{object}")),
        (namespace, object) => object.or(namespace).or_else(|| server(span)),
    };
    Some(joined(text(span, &["db.operation.name", "db.operation"]), target).unwrap_or(system))
}

fn messaging(span: &Span) -> Option<String> {
    let system = text(span, &["messaging.system"])?;
    let is = |key: &str| matches!(span.attributes.get(key), Some(AnyValue::Bool(true)));
    let destination = if is("messaging.destination.temporary") {
        Some("(temporary)".to_owned())
    } else if is("messaging.destination.anonymous") {
        Some("(anonymous)".to_owned())
    } else {
        let names = ["messaging.destination.template", "messaging.destination.name", "messaging.destination"];
        text(span, &names).or_else(|| server(span))
    };
    let operation = text(span, &["messaging.operation.name", "messaging.operation"]);
    Some(joined(operation, destination).unwrap_or(system))
}

fn server(span: &Span) -> Option<String> {
    let address = text(span, &["server.address"])?;
    Some(match text(span, &["server.port"]) {
        Some(port) => format!("{address}:{port}"),
        None => address,
    })
}

/// What there is of operation and target.
fn joined(operation: Option<String>, target: Option<String>) -> Option<String> {
    match (operation, target) {
        (Some(operation), Some(target)) => Some(format!("{operation} {target}")),
        (operation, target) => operation.or(target),
    }
}
