//! One view of `ResourceLogs`, `ResourceMetrics` and `ResourceSpans`, for code that moves items
//! between resources and scopes without looking at them.

use crate::otlp::item::Item;
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::metrics::{Data, Metric, ResourceMetrics, ScopeMetrics};
use crate::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use crate::otlp::{InstrumentationScope, Resource};

/// A resource and its scopes.
pub trait Group: Default {
    type Scoped: Scoped;
    fn resource(&self) -> Option<&Resource>;
    fn set_resource(&mut self, resource: Option<Resource>);
    fn schema_url(&self) -> &str;
    fn set_schema_url(&mut self, url: String);
    fn scopes(&self) -> &[Self::Scoped];
    fn scopes_mut(&mut self) -> &mut Vec<Self::Scoped>;
}

/// A scope and its items.
pub trait Scoped: Default {
    type Item: Item;
    fn scope(&self) -> Option<&InstrumentationScope>;
    fn set_scope(&mut self, scope: Option<InstrumentationScope>);
    fn schema_url(&self) -> &str;
    fn set_schema_url(&mut self, url: String);
    fn items(&self) -> &[Self::Item];
    /// Log records, data points or spans.
    fn count(&self) -> usize;
    fn items_mut(&mut self) -> &mut Vec<Self::Item>;
}

macro_rules! groups {
    ($group:ty, $scopes:ident, $scoped:ty, $items:ident, $item:ty, $count:expr) => {
        impl Group for $group {
            type Scoped = $scoped;
            fn resource(&self) -> Option<&Resource> {
                self.resource.as_ref()
            }
            fn set_resource(&mut self, resource: Option<Resource>) {
                self.resource = resource;
            }
            fn schema_url(&self) -> &str {
                &self.schema_url
            }
            fn set_schema_url(&mut self, url: String) {
                self.schema_url = url;
            }
            fn scopes(&self) -> &[$scoped] {
                &self.$scopes
            }
            fn scopes_mut(&mut self) -> &mut Vec<$scoped> {
                &mut self.$scopes
            }
        }
        impl Scoped for $scoped {
            type Item = $item;
            fn scope(&self) -> Option<&InstrumentationScope> {
                self.scope.as_ref()
            }
            fn set_scope(&mut self, scope: Option<InstrumentationScope>) {
                self.scope = scope;
            }
            fn schema_url(&self) -> &str {
                &self.schema_url
            }
            fn set_schema_url(&mut self, url: String) {
                self.schema_url = url;
            }
            fn items(&self) -> &[$item] {
                &self.$items
            }
            fn count(&self) -> usize {
                self.$items.iter().map($count).sum()
            }
            fn items_mut(&mut self) -> &mut Vec<$item> {
                &mut self.$items
            }
        }
    };
}
groups!(ResourceLogs, scope_logs, ScopeLogs, log_records, LogRecord, |_| 1);
groups!(ResourceMetrics, scope_metrics, ScopeMetrics, metrics, Metric, |metric| metric
    .data
    .as_ref()
    .map_or(0, Data::len));
groups!(ResourceSpans, scope_spans, ScopeSpans, spans, Span, |_| 1);
