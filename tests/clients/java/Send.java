// Sends all signals over both protocols: java Send.java HTTP_PORT GRPC_PORT ITEMS

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.exporter.otlp.http.logs.OtlpHttpLogRecordExporter;
import io.opentelemetry.exporter.otlp.http.metrics.OtlpHttpMetricExporter;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.logs.OtlpGrpcLogRecordExporter;
import io.opentelemetry.exporter.otlp.metrics.OtlpGrpcMetricExporter;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.ResourceConfiguration;
import io.opentelemetry.sdk.logs.SdkLoggerProvider;
import io.opentelemetry.sdk.logs.export.BatchLogRecordProcessor;
import io.opentelemetry.sdk.logs.export.LogRecordExporter;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.export.MetricExporter;
import io.opentelemetry.sdk.metrics.export.PeriodicMetricReader;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

class Send {
  private static final AttributeKey<Long> NUMBER = AttributeKey.longKey("number");

  public static void main(String[] arguments) {
    String http = "http://127.0.0.1:" + arguments[0] + "/v1/";
    String grpc = "http://127.0.0.1:" + arguments[1];
    int items = Integer.parseInt(arguments[2]);
    send(
        "http",
        items,
        OtlpHttpSpanExporter.builder().setEndpoint(http + "traces").setCompression("gzip").build(),
        OtlpHttpMetricExporter.builder().setEndpoint(http + "metrics").setCompression("gzip").build(),
        OtlpHttpLogRecordExporter.builder().setEndpoint(http + "logs").build());
    send(
        "grpc",
        items,
        OtlpGrpcSpanExporter.builder().setEndpoint(grpc).setCompression("gzip").build(),
        OtlpGrpcMetricExporter.builder().setEndpoint(grpc).setCompression("gzip").build(),
        OtlpGrpcLogRecordExporter.builder().setEndpoint(grpc).build());
  }

  private static void send(
      String name, int items, SpanExporter spans, MetricExporter metrics, LogRecordExporter logs) {
    Resource resource = Resource.getDefault().merge(ResourceConfiguration.createEnvironmentResource());
    PeriodicMetricReader reader =
        PeriodicMetricReader.builder(metrics).setInterval(Duration.ofHours(1)).build();
    OpenTelemetrySdk sdk =
        OpenTelemetrySdk.builder()
            .setTracerProvider(
                SdkTracerProvider.builder()
                    .setResource(resource)
                    .addSpanProcessor(BatchSpanProcessor.builder(spans).build())
                    .build())
            .setMeterProvider(
                SdkMeterProvider.builder().setResource(resource).registerMetricReader(reader).build())
            .setLoggerProvider(
                SdkLoggerProvider.builder()
                    .setResource(resource)
                    .addLogRecordProcessor(BatchLogRecordProcessor.builder(logs).build())
                    .build())
            .build();
    var tracer = sdk.getTracer(name);
    var counter = sdk.getMeter(name).counterBuilder("requests").build();
    var logger = sdk.getLogsBridge().get(name);
    for (long number = 0; number < items; number++) {
      var span = tracer.spanBuilder(name + " " + number).setAttribute(NUMBER, number).startSpan();
      span.addEvent("half way");
      span.end();
      counter.add(1, Attributes.of(NUMBER, number));
      logger
          .logRecordBuilder()
          .setSeverity(Severity.WARN)
          .setBody("line " + number)
          .setAttribute(NUMBER, number)
          .emit();
    }
    sdk.shutdown().join(30, TimeUnit.SECONDS);
  }
}
