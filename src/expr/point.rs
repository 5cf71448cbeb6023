//! What expressions about data points have beside the rest: `MetricName`, `HasLabel("key")` and
//! `Label("key")`. Each stands for an expression on the environment, whose body is the name of the
//! metric and whose attributes are those of the point.

use super::ast::{Access, Binary, Expr, Kind, Step};
use super::error::Span;

/// The name of the metric.
pub(super) const METRIC_NAME: &str = "MetricName";

/// What the call of a function about points stands for.
pub(super) fn meaning(name: &str, args: &[Expr], span: Span) -> Option<Expr> {
    let [key] = args else { return None };
    let of = |kind| Box::new(Expr::new(kind, span));
    let attributes = || of(Kind::Name("attributes".to_owned()));
    let kind = match name {
        "HasLabel" => Kind::Binary(Binary::In, Box::new(key.clone()), attributes()),
        "Label" => {
            let step = Step { optional: false, access: Access::Index(key.clone()), span };
            let found = of(Kind::Access(attributes(), vec![step]));
            Kind::Binary(Binary::Coalesce, found, of(Kind::Text(String::new())))
        }
        _ => return None,
    };
    Some(Expr::new(kind, span))
}
