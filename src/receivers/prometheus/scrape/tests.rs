//! A target visited again and again: what comes of its pages.

use std::fmt::Write;

use super::*;
use crate::config::from_yaml;
use crate::otlp::metrics::{Data, NO_RECORDED_VALUE, Number, ResourceMetrics};
use crate::otlp::{Attributes, KeyValue};
use crate::receivers::prometheus::PrometheusConfig;

const NOW: i64 = 1_700_000_000_000;

/// A target that is visited with whatever page the test has.
struct Visits {
    job: Job,
    target: Target,
    memory: Memory,
    around: Surroundings,
    visits: i64,
}

impl Visits {
    fn new(job: &str) -> Self {
        Self::of(&format!("config: {{scrape_configs: [{{job_name: shop, {job}}}]}}"))
    }

    fn of(config: &str) -> Self {
        let config: PrometheusConfig = from_yaml(config).unwrap();
        let job = config.resolved().remove(0);
        let set = vec![("__address__".to_owned(), "web-1:8080".to_owned())];
        let target = Target::new(&set, &job).unwrap();
        let around = Surroundings { version: "1.2.3", trim: config.trim_metric_suffixes };
        Self { job, target, memory: Memory::default(), around, visits: 0 }
    }

    fn visit_with(&mut self, page: &[u8], protocol: Protocol) -> (Vec<ResourceMetrics>, Outcome) {
        let Self { job, target, memory, around, visits } = self;
        let now = NOW + *visits * 60_000;
        *visits += 1;
        let mut all = Vec::new();
        let outcome = memory.take_page(target, job, (page, protocol), now, *around, &mut |piece| {
            all.extend(piece);
            true
        });
        (all, outcome)
    }

    /// What a page makes, a point a line, without the report.
    fn visit(&mut self, page: &str) -> String {
        self.shown(page.as_bytes(), Protocol::Text0)
    }

    fn open_metrics(&mut self, page: &str) -> String {
        self.shown(page.as_bytes(), Protocol::OpenMetrics1)
    }

    fn shown(&mut self, page: &[u8], protocol: Protocol) -> String {
        let lines = render(&self.visit_with(page, protocol).0);
        lines.lines().filter(|line| !line.starts_with("scrape_") && !line.starts_with("up ")).fold(
            String::new(),
            |mut all, line| {
                let _ = writeln!(all, "{line}");
                all
            },
        )
    }
}

fn render(all: &[ResourceMetrics]) -> String {
    let mut text = String::new();
    for metric in all.iter().flat_map(|r| &r.scope_metrics).flat_map(|scope| &scope.metrics) {
        let name = &metric.name;
        let unit = if metric.unit.is_empty() { String::new() } else { format!(" ({})", metric.unit) };
        let mut line = |attributes: &[KeyValue], kind: &str, value: String, flags: u32| {
            let labels: Vec<_> =
                attributes.iter().map(|a| format!("{}={}", a.key, a.value.as_str().unwrap())).collect();
            let stale = if flags & NO_RECORDED_VALUE != 0 { " gone" } else { "" };
            let _ = writeln!(text, "{name}{unit} {kind}[{}] {value}{stale}", labels.join(" "));
        };
        match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => gauge
                .data_points
                .iter()
                .for_each(|p| line(&p.attributes, "gauge", number(p.value, p.start_time_unix_nano), p.flags)),
            Data::Sum(sum) => sum.data_points.iter().for_each(|p| {
                let kind = if sum.is_monotonic { "counter" } else { "sum" };
                line(&p.attributes, kind, number(p.value, p.start_time_unix_nano), p.flags);
            }),
            Data::Histogram(histogram) => histogram.data_points.iter().for_each(|p| {
                let value = format!(
                    "{:?} {:?} n={} sum={:?} from={}",
                    p.explicit_bounds,
                    p.bucket_counts,
                    p.count,
                    p.sum,
                    p.start_time_unix_nano / 1_000_000
                );
                line(&p.attributes, "histogram", value, p.flags);
            }),
            Data::Summary(summary) => summary.data_points.iter().for_each(|p| {
                let quantiles: Vec<_> =
                    p.quantile_values.iter().map(|q| format!("{}:{}", q.quantile, q.value)).collect();
                let value = format!("{} n={} sum={}", quantiles.join(","), p.count, p.sum);
                line(&p.attributes, "summary", value, p.flags);
            }),
            Data::ExponentialHistogram(histogram) => histogram.data_points.iter().for_each(|p| {
                let value = format!("scale={} n={} {:?}", p.scale, p.count, p.positive);
                line(&p.attributes, "native", value, p.flags);
            }),
        }
    }
    text
}

fn number(value: Option<Number>, start: u64) -> String {
    let from = if start > 0 { format!(" from={}", start / 1_000_000) } else { String::new() };
    value.map_or("none".to_owned(), |value| format!("{}{from}", value.as_f64()))
}

#[test]
fn every_type_of_the_classic_format_becomes_its_metric() {
    let mut visits = Visits::new("");
    let page = "\
# TYPE requests_total counter
requests_total{code=\"200\",empty=\"\"} 5
# TYPE heat gauge
heat 20.5
untyped_thing{a=\"b\"} 1
# TYPE latency_seconds histogram
latency_seconds_bucket{path=\"/\",le=\"0.1\"} 2
latency_seconds_bucket{path=\"/\",le=\"1\"} 5
latency_seconds_bucket{path=\"/\",le=\"+Inf\"} 7
latency_seconds_sum{path=\"/\"} 9.5
latency_seconds_count{path=\"/\"} 7
# TYPE rpc summary
rpc{quantile=\"0.99\"} 8
rpc{quantile=\"0.5\"} 3
rpc_sum 30
rpc_count 10
";
    assert_eq!(
        visits.visit(page),
        "\
requests_total counter[code=200] 5
heat gauge[] 20.5
untyped_thing gauge[a=b] 1
latency_seconds histogram[path=/] [0.1, 1.0] [2, 3, 2] n=7 sum=Some(9.5) from=0
rpc summary[] 0.5:3,0.99:8 n=10 sum=30
"
    );
}

#[test]
fn openmetrics_brings_units_beginnings_and_exemplars() {
    let mut visits = Visits::new("");
    let page = "\
# TYPE request_seconds counter
# UNIT request_seconds seconds
# HELP request_seconds Time spent.
request_seconds_total{a=\"x\"} 5 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\",user=\"u\"} 0.5
request_seconds_created{a=\"x\"} 1600000000.5
# TYPE build info
build_info{version=\"1\"} 1
# TYPE state stateset
state{state=\"on\"} 1
# TYPE size histogram
size_bucket{le=\"+Inf\"} 1
size_count 1
size_sum 4
size_created 1500000000
# EOF
";
    assert_eq!(
        visits.open_metrics(page),
        "\
request_seconds_total (s) counter[a=x] 5 from=1600000000500
build sum[version=1] 1
state sum[state=on] 1
size histogram[] [] [1] n=1 sum=Some(4.0) from=1500000000000
"
    );
    let (all, outcome) = visits.visit_with(page.as_bytes(), Protocol::OpenMetrics1);
    assert!(outcome.failure.is_none() && outcome.lost.is_empty(), "{outcome:?}");
    let metric = &all[0].scope_metrics[0].metrics[0];
    assert_eq!(metric.description, "Time spent.");
    assert_eq!(metric.metadata.get_str("prometheus.type"), Some("counter"));
    let Some(Data::Sum(sum)) = &metric.data else { panic!() };
    let exemplar = &sum.data_points[0].exemplars[0];
    assert_eq!((exemplar.trace_id.len(), exemplar.filtered_attributes.get_str("user")), (16, Some("u")));
}

#[test]
fn the_resource_is_the_target_and_what_it_tells_of_itself() {
    let mut visits = Visits::new("");
    let page = "# TYPE target_info gauge\ntarget_info{service_version=\"7\"} 1\na 1\n\
                otel_scope_info{otel_scope_name=\"lib\",otel_scope_version=\"2\",team=\"x\"} 1\n\
                b{otel_scope_name=\"lib\",otel_scope_version=\"2\"} 1\nc{job=\"other\"} 1\n";
    let (all, _) = visits.visit_with(page.as_bytes(), Protocol::Text0);
    assert_eq!(all.len(), 1);
    let resource = &all[0].resource.as_ref().unwrap().attributes;
    for (key, value) in [
        ("service.name", "shop"),
        ("service.instance.id", "web-1:8080"),
        ("server.address", "web-1"),
        ("server.port", "8080"),
        ("url.scheme", "http"),
        ("service_version", "7"),
    ] {
        assert_eq!(resource.get_str(key), Some(value), "{key}");
    }
    let scopes: Vec<_> = all[0].scope_metrics.iter().map(|scope| scope.scope.clone().unwrap()).collect();
    assert!(scopes[0].name.ends_with("receiver/prometheusreceiver") && scopes[0].version == "1.2.3");
    assert_eq!((scopes[1].name.as_str(), scopes[1].version.as_str()), ("lib", "2"));
    assert_eq!(scopes[1].attributes.get_str("team"), Some("x"));
    // A label of the page never moves a series to another target.
    assert!(render(&all).contains("c gauge[exported_job=other] 1"));
    // What was told once holds from the first piece of the next scrape on.
    let (all, _) = visits.visit_with(b"a 1\n", Protocol::Text0);
    assert_eq!(all[0].resource.as_ref().unwrap().attributes.get_str("service_version"), None);
}

#[test]
fn honoured_labels_move_series_to_the_target_they_name() {
    let mut visits = Visits::new("honor_labels: true");
    let (all, _) =
        visits.visit_with(b"a{job=\"other\",instance=\"i:1\"} 1\nb{job=\"\"} 2\n", Protocol::Text0);
    let names: Vec<_> = all
        .iter()
        .map(|r| r.resource.as_ref().unwrap().attributes.get_str("service.name").unwrap().to_owned())
        .collect();
    assert_eq!(names, ["shop", "other"]);
}

#[test]
fn a_series_that_vanishes_is_marked_once() {
    let mut visits = Visits::new("");
    let first = "# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n\
                 h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\nwith_time 5 1600000000000\n";
    visits.visit(first);
    assert_eq!(
        visits.visit("# TYPE a counter\na{x=\"1\"} 2\n"),
        "a counter[x=1] 2\na counter[x=2] none gone\nh histogram[] [1.0] [0, 0] n=0 sum=Some(0.0) from=0 gone\n"
    );
    assert_eq!(visits.visit("# TYPE a counter\na{x=\"1\"} 2\n"), "a counter[x=1] 2\n");
}

#[test]
fn contrib_series_with_timestamps_are_marked_only_when_asked_for() {
    let mut visits = Visits::new("track_timestamps_staleness: true");
    visits.visit("a 5 1600000000000\n");
    assert_eq!(visits.visit("b 1\n"), "b gauge[] 1\na gauge[] none gone\n");
}

#[test]
fn a_target_that_is_down_is_reported_and_its_series_marked() {
    let mut visits = Visits::new("");
    visits.visit("a 1\n");
    let Visits { job, target, memory, around, .. } = &mut visits;
    let mut all = Vec::new();
    let failure = Failure { kind: "transport", message: "connection refused".to_owned() };
    let outcome = memory.refuse(target, job, failure, *around, &mut |piece| {
        all.extend(piece);
        true
    });
    assert!(outcome.failure.is_some());
    let text = render(&all);
    assert!(text.contains("a gauge[] none gone") && text.contains("up gauge[] 0\n"), "{text}");
}

#[test]
fn a_target_that_is_gone_ends_with_markers_for_all() {
    let mut visits = Visits::new("");
    visits.visit("a 1\n");
    let Visits { job, target, memory, around, .. } = &mut visits;
    let mut all = Vec::new();
    memory.end(target, job, *around, &mut |piece| {
        all.extend(piece);
        true
    });
    let text = render(&all);
    assert_eq!(text.matches(" none gone").count(), 6, "{text}");
    assert_eq!(memory.series(), 0);
}

#[test]
fn nonsense_in_the_middle_keeps_what_came_before_and_counts_as_down() {
    let mut visits = Visits::new("");
    let (all, outcome) = visits.visit_with(b"a 1\nb{x=\"1\"} 2\n<html>\nc 3\n", Protocol::Text0);
    let text = render(&all);
    assert!(text.contains("a gauge[] 1\n") && text.contains("b gauge[x=1] 2\n") && !text.contains("c "));
    assert!(text.contains("up gauge[] 0\n"));
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.kind, "syntax");
    assert!(failure.message.contains("line 3") && failure.message.contains("<html>"), "{failure:?}");
    // An OpenMetrics page without its end was cut off.
    let (_, outcome) = visits.visit_with(b"a 1\n", Protocol::OpenMetrics1);
    assert!(outcome.failure.unwrap().message.contains("# EOF"));
}

#[test]
fn a_line_that_is_not_utf8_costs_itself_alone() {
    let mut visits = Visits::new("");
    let (all, outcome) = visits.visit_with(b"a 1\nb{x=\"\xff\"} 2\nc 3\n", Protocol::Text0);
    let text = render(&all);
    assert!(
        text.contains("a gauge") && text.contains("c gauge") && text.contains("up gauge[] 1\n"),
        "{text}"
    );
    assert_eq!(outcome.lost, [("invalid_utf8", 1)]);
}

#[test]
fn odd_samples_are_left_out_and_counted() {
    let mut visits = Visits::new("");
    let page = b"a 1\na 2\nd{x=\"1\",x=\"2\"} 1\n# TYPE h histogram\nh_bucket{le=\"x\"} 1\nh_sum 1\n\
                 # TYPE s summary\ns 1\n# TYPE g histogram\ng_bucket{le=\"1\"} 5\ng_bucket{le=\"2\"} 3\ng_count 5\n\
                 # TYPE t histogram\nt_bucket{le=\"1\"} 5 1\nt_count 5 2\n";
    let (all, outcome) = visits.visit_with(page, Protocol::Text0);
    assert_eq!(render(&all).lines().filter(|line| !line.starts_with("scrape")).count(), 2);
    let mut lost = outcome.lost;
    lost.sort_unstable();
    assert_eq!(
        lost,
        [
            ("bad_buckets", 1),
            ("duplicate", 1),
            ("duplicate_label", 1),
            ("inconsistent_timestamps", 1),
            ("no_bound", 1),
            ("no_count", 1),
            ("no_quantile", 1)
        ]
    );
}

#[test]
fn a_limit_voids_the_scrape_as_a_whole() {
    for (limit, page, kind) in [
        ("sample_limit: 2", "a 1\nb 2\nc 3\n", "sample_limit"),
        ("body_size_limit: 10", "a 1\nb 2\nc 3\n", "body_size_limit"),
        ("label_limit: 3", "a 1\nb{x=\"1\",y=\"2\",z=\"3\"} 2\n", "label_limit"),
        ("label_name_length_limit: 5", "a 1\nb{abcdef=\"1\"} 2\n", "label_name_length_limit"),
        ("label_value_length_limit: 5", "a 1\nb{a=\"123456\"} 2\n", "label_value_length_limit"),
    ] {
        let mut visits = Visits::new(limit);
        visits.visit("a 1\n");
        let (all, outcome) = visits.visit_with(page.as_bytes(), Protocol::Text0);
        assert_eq!(outcome.failure.unwrap().kind, kind);
        let text = render(&all);
        assert!(!text.contains("b gauge") && text.contains("up gauge[] 0\n"), "{limit}: {text}");
        // What never went out needs no marker.
        assert!(text.contains("a gauge[] none gone") && text.matches("gone").count() == 1, "{limit}: {text}");
    }
}

#[test]
fn rules_change_and_drop_samples_and_dropped_ones_stay_dropped() {
    let mut visits = Visits::new(
        "metric_relabel_configs: [{source_labels: [__name__], regex: 'go_.*', action: drop}, \
         {source_labels: [__name__], regex: '(.*)_old', target_label: __name__, replacement: '${1}_new'}, \
         {regex: secret, action: labeldrop}]",
    );
    for _ in 0..2 {
        assert_eq!(visits.visit("go_threads 5\na_old{secret=\"x\",b=\"c\"} 1\n"), "a_new gauge[b=c] 1\n");
    }
    let (all, _) = visits.visit_with(b"go_threads 5\na_old 1\n", Protocol::Text0);
    let text = render(&all);
    assert!(
        text.contains("scrape_samples_scraped gauge[] 2")
            && text.contains("post_metric_relabeling gauge[] 1")
    );
}

#[test]
fn external_and_target_labels_are_on_every_series_even_up() {
    let mut visits = Visits::of(
        "config: {global: {external_labels: {cluster: c1}}, scrape_configs: [{job_name: shop, extra_scrape_metrics: \
         true, relabel_configs: [{target_label: team, replacement: web}]}]}",
    );
    let text = render(&visits.visit_with(b"a{team=\"x\"} 1\n", Protocol::Text0).0);
    assert!(text.contains("a gauge[cluster=c1 exported_team=x team=web] 1\n"), "{text}");
    assert!(text.contains("up gauge[team=web cluster=c1] 1\n"), "{text}");
    assert!(text.contains("scrape_timeout_seconds (s) gauge[team=web cluster=c1] 10\n"), "{text}");
}

#[test]
fn names_are_trimmed_where_asked_for() {
    let mut visits = Visits::of("{trim_metric_suffixes: true, config: {scrape_configs: [{job_name: shop}]}}");
    let page = "# TYPE x_seconds counter\n# UNIT x_seconds seconds\nx_seconds_total 1\n# EOF\n";
    assert_eq!(visits.open_metrics(page), "x (s) counter[] 1\n");
}

#[test]
fn a_page_of_any_size_goes_out_in_pieces() {
    let mut page = String::from("# TYPE a counter\n");
    (0..50_000).for_each(|n| page.push_str(&format!("a{{n=\"{n}\"}} 1\n")));
    page.push_str("# TYPE h histogram\n");
    for n in 0..10_000 {
        page.push_str(&format!(
            "h_bucket{{n=\"{n}\",le=\"1\"}} 1\nh_sum{{n=\"{n}\"}} 1\nh_count{{n=\"{n}\"}} 1\n"
        ));
    }
    let mut visits = Visits::new("");
    let Visits { job, target, memory, around, .. } = &mut visits;
    let (mut largest, mut points) = (0, 0);
    let outcome =
        memory.take_page(target, job, (page.as_bytes(), Protocol::Text0), NOW, *around, &mut |piece| {
            let items = crate::pipeline::Data::Metrics(piece).items();
            largest = largest.max(items);
            points += items;
            true
        });
    assert!(outcome.failure.is_none() && outcome.lost.is_empty(), "{outcome:?}");
    assert_eq!(points, 50_000 + 10_000 + 5);
    assert!(largest < 10_000, "{largest}");
}

#[test]
fn a_native_histogram_keeps_its_numbers_and_half_of_one_is_cut_off() {
    use super::proto::{BucketSpan, Family, Histogram, LabelPair, Metric};
    use prost::Message;
    let histogram = Histogram {
        count: 12,
        sum: 18.4,
        schema: 1,
        zero_threshold: 0.001,
        zero_count: 2,
        positive_spans: vec![BucketSpan { offset: 0, length: 2 }, BucketSpan { offset: 1, length: 2 }],
        positive_deltas: vec![1, 1, -1, 0],
        ..Histogram::default()
    };
    let label = LabelPair { name: "a".to_owned(), value: "b".to_owned() };
    let metric = Metric { labels: vec![label], histogram: Some(histogram), ..Metric::default() };
    let family = Family { name: "h".to_owned(), kind: 4, metrics: vec![metric], ..Family::default() };
    let mut page = Vec::new();
    family.encode_length_delimited(&mut page).unwrap();
    let mut visits = Visits::new("scrape_native_histograms: true");
    let text = visits.shown(&page, Protocol::Proto);
    let wanted = "h native[a=b] scale=1 n=12 Some(Buckets { offset: -1, bucket_counts: [1, 2, 0, 1, 1] })\n";
    assert_eq!(text, wanted);
    assert_eq!(visits.shown(b"", Protocol::Proto), "h native[a=b] scale=0 n=0 None gone\n");
    // Half a family is a page that was cut off.
    let (_, outcome) = visits.visit_with(&page[..20], Protocol::Proto);
    assert_eq!(outcome.failure.unwrap().kind, "cut_off");
}
