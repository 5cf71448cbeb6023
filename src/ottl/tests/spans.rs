//! Functions of spans.

use crate::otlp::{AnyValue, Attributes, KeyValue};
use crate::ottl::testing::World;
use crate::ottl::{ContextKind, Statement};

#[test]
fn span_names_follow_the_conventions() {
    let text = |key: &'static str, value: &'static str| KeyValue::fixed(key, value);
    for (kind, attributes, want) in [
        (2, vec![text("http.request.method", "GET"), text("http.route", "/a/{id}")], "GET /a/{id}"),
        (2, vec![text("http.method", "GET"), text("url.template", "/x")], "GET"),
        (3, vec![text("http.request.method", "GET"), text("url.template", "/x")], "GET /x"),
        (2, vec![text("rpc.system", "grpc"), text("rpc.service", "S"), text("rpc.method", "M")], "S/M"),
        (3, vec![text("rpc.system", "grpc"), text("rpc.service", "S")], "S/*"),
        (
            3,
            vec![
                text("db.system.name", "pg"),
                text("db.operation.name", "SELECT"),
                text("db.namespace", "d"),
                text("db.collection.name", "t"),
            ],
            "SELECT d.t",
        ),
        (
            3,
            vec![text("db.system", "pg"), text("server.address", "h"), KeyValue::fixed("server.port", 1)],
            "h:1",
        ),
        (3, vec![text("db.system", "pg"), text("db.query.summary", "SELECT t")], "SELECT t"),
        (
            5,
            vec![
                text("messaging.system", "kafka"),
                text("messaging.operation", "poll"),
                text("messaging.destination.name", "t"),
            ],
            "poll t",
        ),
        (
            4,
            vec![text("messaging.system", "kafka"), KeyValue::fixed("messaging.destination.temporary", true)],
            "(temporary)",
        ),
        (1, vec![text("http.request.method", "GET")], "old"),
        (3, vec![], "old"),
    ] {
        let mut world = World::default();
        world.span.name = "old".to_owned();
        world.span.kind = kind;
        world.span.attributes = attributes;
        world.run(ContextKind::Span, "set_semconv_span_name(\"1.37.0\", \"was\")").unwrap();
        assert_eq!(world.span.name, want);
        let kept = (want != "old").then_some(AnyValue::from("old"));
        assert_eq!(world.span.attributes.get("was"), kept.as_ref());
    }
    for statement in ["set_semconv_span_name(\"1.2.0\")", "set_semconv_span_name(\"1.37.0\", \"\")"] {
        assert!(Statement::compile(statement, ContextKind::Span).is_err(), "{statement}");
    }
}

#[test]
fn a_root_span_has_no_parent() {
    let mut world = World::default();
    assert_eq!(world.holds(ContextKind::Span, "IsRootSpan()"), Ok(true));
    world.span.parent_span_id = vec![1; 8];
    assert_eq!(world.holds(ContextKind::Span, "IsRootSpan()"), Ok(false));
}
