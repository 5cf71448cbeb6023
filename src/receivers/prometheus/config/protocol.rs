//! The formats that are asked for, and what an answer is in.

use crate::receivers::prometheus::exposition::Dialect;

/// A format as `scrape_protocols` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Proto,
    OpenMetrics1,
    OpenMetrics0,
    Text1,
    Text0,
}

pub const NAMES: &str = "PrometheusProto, OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0, \
                         PrometheusText0.0.4";

impl Protocol {
    pub const DEFAULT: [Self; 4] = [Self::OpenMetrics1, Self::OpenMetrics0, Self::Text1, Self::Text0];
    pub const WITH_NATIVE: [Self; 5] =
        [Self::Proto, Self::OpenMetrics1, Self::OpenMetrics0, Self::Text1, Self::Text0];

    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "PrometheusProto" => Self::Proto,
            "OpenMetricsText1.0.0" => Self::OpenMetrics1,
            "OpenMetricsText0.0.1" => Self::OpenMetrics0,
            "PrometheusText1.0.0" => Self::Text1,
            "PrometheusText0.0.4" => Self::Text0,
            _ => return None,
        })
    }

    fn accept(self) -> &'static str {
        match self {
            Self::Proto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Self::OpenMetrics1 => "application/openmetrics-text;version=1.0.0",
            Self::OpenMetrics0 => "application/openmetrics-text;version=0.0.1",
            Self::Text1 => "text/plain;version=1.0.0",
            Self::Text0 => "text/plain;version=0.0.4",
        }
    }

    /// Whether the format has a way to say how names with any characters are to be written.
    fn escapes(self) -> bool {
        matches!(self, Self::Proto | Self::OpenMetrics1 | Self::Text1)
    }

    /// What an answer of that `Content-Type` is in.
    pub fn of_content_type(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next()?.to_ascii_lowercase();
        let version = parts
            .filter_map(|part| part.split_once('='))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case("version"))
            .map(|(_, value)| value.trim().trim_matches('"'));
        match (kind.as_str(), version) {
            ("application/openmetrics-text", Some("0.0.1")) => Some(Self::OpenMetrics0),
            ("application/openmetrics-text", _) => Some(Self::OpenMetrics1),
            ("text/plain", Some("1.0.0")) => Some(Self::Text1),
            ("text/plain", _) => Some(Self::Text0),
            ("application/vnd.google.protobuf", _) => Some(Self::Proto),
            _ => None,
        }
    }

    /// The grammar, of the formats that are text.
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Proto => None,
            Self::OpenMetrics1 | Self::OpenMetrics0 => Some(Dialect::OpenMetrics),
            Self::Text1 | Self::Text0 => Some(Dialect::Text),
        }
    }
}

/// The `Accept` header: the protocols with falling preference, and anything in the end.
pub fn accept(protocols: &[Protocol], escaping: &str) -> String {
    let mut text = String::new();
    // Prometheus counts down from the number of all formats it knows.
    let mut weight = Protocol::WITH_NATIVE.len() + 1;
    for protocol in protocols {
        text.push_str(protocol.accept());
        if protocol.escapes() {
            text.push_str(&format!(";escaping={escaping}"));
        }
        text.push_str(&format!(";q=0.{weight},"));
        weight -= 1;
    }
    text.push_str("*/*;q=0.");
    text.push_str(&weight.to_string());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_lists_protocols_with_falling_preference() {
        // The order and weights of Prometheus 3.
        let wanted = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                      application/openmetrics-text;version=0.0.1;q=0.5,\
                      text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(accept(&Protocol::DEFAULT, "allow-utf-8"), wanted);
    }

    #[test]
    fn answers_are_told_by_their_content_type() {
        for (text, wanted) in [
            ("text/plain; version=0.0.4; charset=utf-8", Some(Protocol::Text0)),
            ("text/plain", Some(Protocol::Text0)),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", Some(Protocol::OpenMetrics1)),
            ("application/vnd.google.protobuf; proto=x", Some(Protocol::Proto)),
            ("text/html", None),
            ("", None),
        ] {
            assert_eq!(Protocol::of_content_type(text), wanted, "{text}");
        }
    }
}
