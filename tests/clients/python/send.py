"""Sends all signals over both protocols: send.py HTTP_PORT GRPC_PORT ITEMS"""

import logging
import sys

from opentelemetry.exporter.otlp.proto.grpc import _log_exporter as grpc_logs
from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc_metrics
from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc_traces
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http import _log_exporter as http_logs
from opentelemetry.exporter.otlp.proto.http import metric_exporter as http_metrics
from opentelemetry.exporter.otlp.proto.http import trace_exporter as http_traces
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import grpc

http_port, grpc_port, items = (int(argument) for argument in sys.argv[1:4])
base = f"http://127.0.0.1:{http_port}/v1"
channel = {"endpoint": f"127.0.0.1:{grpc_port}", "insecure": True, "compression": grpc.Compression.Gzip}


def send(name, spans, metrics, logs):
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(spans))
    tracer = tracers.get_tracer(name)
    for number in range(items):
        with tracer.start_as_current_span(f"{name} {number}") as span:
            span.set_attribute("number", number)
            span.add_event("half way")
    tracers.shutdown()

    reader = PeriodicExportingMetricReader(metrics, export_interval_millis=3_600_000)
    meters = MeterProvider(metric_readers=[reader])
    counter = meters.get_meter(name).create_counter("requests")
    for number in range(items):
        counter.add(1, {"number": number})
    meters.shutdown()

    providers = LoggerProvider()
    providers.add_log_record_processor(BatchLogRecordProcessor(logs))
    logger = logging.getLogger(name)
    logger.propagate = False
    logger.addHandler(LoggingHandler(logger_provider=providers))
    for number in range(items):
        logger.warning("line %d", number)
    providers.shutdown()


send(
    "http",
    http_traces.OTLPSpanExporter(f"{base}/traces", compression=Compression.Gzip),
    http_metrics.OTLPMetricExporter(f"{base}/metrics", compression=Compression.Deflate),
    http_logs.OTLPLogExporter(f"{base}/logs"),
)
send(
    "grpc",
    grpc_traces.OTLPSpanExporter(**channel),
    grpc_metrics.OTLPMetricExporter(**channel),
    grpc_logs.OTLPLogExporter(**channel),
)
