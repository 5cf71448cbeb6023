// Sends all signals over both protocols: send.js HTTP_PORT GRPC_PORT ITEMS

const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs');

const [httpPort, grpcPort, items] = process.argv.slice(2).map(Number);

async function send(name, traces, metrics, logs) {
  const tracers = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(traces)] });
  const tracer = tracers.getTracer(name);
  for (let number = 0; number < items; number++) {
    const span = tracer.startSpan(`${name} ${number}`, { attributes: { number } });
    span.addEvent('half way');
    span.end();
  }
  await tracers.shutdown();

  const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3600000 });
  const meters = new MeterProvider({ readers: [reader] });
  const counter = meters.getMeter(name).createCounter('requests');
  for (let number = 0; number < items; number++) counter.add(1, { number });
  await meters.shutdown();

  const processor = new BatchLogRecordProcessor({ exporter: logs });
  const providers = new LoggerProvider({ processors: [processor] });
  const logger = providers.getLogger(name);
  for (let number = 0; number < items; number++) {
    logger.emit({ severityNumber: 13, body: `line ${number}`, attributes: { number } });
  }
  await providers.shutdown();
}

function exporters(kind, options) {
  return ['trace', 'metrics', 'logs'].map((signal) => {
    const module = require(`@opentelemetry/exporter-${signal}-otlp-${kind}`);
    const name = { trace: 'OTLPTraceExporter', metrics: 'OTLPMetricExporter', logs: 'OTLPLogExporter' }[signal];
    return new module[name](options(signal));
  });
}

(async () => {
  const path = { trace: 'traces', metrics: 'metrics', logs: 'logs' };
  const http = exporters('http', (signal) => ({
    url: `http://127.0.0.1:${httpPort}/v1/${path[signal]}`,
    compression: 'gzip',
  }));
  await send('http', ...http);
  await send('grpc', ...exporters('grpc', () => ({ url: `http://127.0.0.1:${grpcPort}` })));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
