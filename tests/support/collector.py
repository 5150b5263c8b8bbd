"""A collector of OpenTelemetry traces and metrics: collector.py KIND PORT FOLDER.

KIND: grpc (python3-grpcio), http, silent (accepts and never answers), reset (accepts and resets), discard (grpc that
keeps nothing). What arrives goes to FOLDER: each span as a line of JSON in `spans`, each export of metrics as one in
`metrics`, each request's headers in `headers`, and every text in it as a line in `texts`. `ready` is written there when the port is open."""

import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading

kind, port, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
lock = threading.Lock()


def load_messages():
    proto = pathlib.Path(__file__).parents[2] / 'common' / 'telemetry'
    subprocess.run(['protoc', f'--proto_path={proto}', f'--python_out={folder}', 'otlp.proto'], check=True)
    sys.path.insert(0, str(folder))
    import otlp_pb2
    return otlp_pb2


def attributes_of(attributes):
    return {a.key: getattr(a.value, a.value.WhichOneof('value')) for a in attributes}


def texts_of(message):
    for field, value in message.ListFields():
        for item in value if field.label == field.LABEL_REPEATED else [value]:
            if field.type == field.TYPE_MESSAGE:
                yield from texts_of(item)
            elif field.type == field.TYPE_STRING:
                yield item


def note(request, headers):
    with open(folder / 'texts', 'a') as out:
        for text in texts_of(request):
            print(text, file=out)
    with open(folder / 'headers', 'a') as out:
        print(json.dumps(headers), file=out)


def take_spans(body, headers):
    request = messages.ExportTraceServiceRequest.FromString(body)
    with lock:
        note(request, headers)
        with open(folder / 'spans', 'a') as out:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        print(json.dumps({
                            'trace': span.trace_id.hex(), 'span': span.span_id.hex(),
                            'parent': span.parent_span_id.hex(), 'name': span.name, 'kind': span.kind,
                            'start': span.start_time_unix_nano, 'end': span.end_time_unix_nano,
                            'status': span.status.code, 'attributes': attributes_of(span.attributes),
                            'resource': attributes_of(resource.resource.attributes)}), file=out, flush=True)
    return b''


def point_of(point, kind):
    noted = {'attributes': attributes_of(point.attributes), 'start': point.start_time_unix_nano,
             'time': point.time_unix_nano}
    if kind == 'histogram':
        noted.update(count=point.count, sum=point.sum, buckets=list(point.bucket_counts),
                     bounds=list(point.explicit_bounds))
    else:
        noted['value'] = getattr(point, point.WhichOneof('value'))
    return noted


def metric_of(metric):
    kind = metric.WhichOneof('data')
    data = getattr(metric, kind)
    return {'name': metric.name, 'description': metric.description, 'unit': metric.unit, 'kind': kind,
            'temporality': getattr(data, 'aggregation_temporality', 0), 'monotonic': getattr(data, 'is_monotonic', False),
            'points': [point_of(point, kind) for point in data.data_points]}


def take_metrics(body, headers):
    request = messages.ExportMetricsServiceRequest.FromString(body)
    with lock:
        note(request, headers)
        with open(folder / 'metrics', 'a') as out:
            for resource in request.resource_metrics:
                metrics = [metric_of(metric) for scope in resource.scope_metrics for metric in scope.metrics]
                print(json.dumps({'resource': attributes_of(resource.resource.attributes), 'metrics': metrics}),
                      file=out, flush=True)
    return b''


def serve_grpc():
    from concurrent import futures

    import grpc

    def handler_of(take):
        def export(request, context):
            return take(request, dict(context.invocation_metadata())) if kind == 'grpc' else b''
        return grpc.unary_unary_rpc_method_handler(export)

    server = grpc.server(futures.ThreadPoolExecutor(4))
    for service, take in (('trace.v1.TraceService', take_spans), ('metrics.v1.MetricsService', take_metrics)):
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            f'opentelemetry.proto.collector.{service}', {'Export': handler_of(take)}),))
    if server.add_insecure_port(f'127.0.0.1:{port}') != port:
        sys.exit('the port is taken')
    server.start()
    (folder / 'ready').touch()
    server.wait_for_termination()


def serve_http():
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            take = take_metrics if self.path.endswith('metrics') else take_spans
            answer = take(self.rfile.read(int(self.headers['Content-Length'])),
                          {**{k.lower(): v for k, v in self.headers.items()}, 'path': self.path})
            self.send_response(200)
            self.send_header('Content-Type', 'application/x-protobuf')
            self.send_header('Content-Length', str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
    (folder / 'ready').touch()
    server.serve_forever()


def serve_badly():
    server = socket.create_server(('127.0.0.1', port))
    (folder / 'ready').touch()
    kept = []
    while True:
        connection, _ = server.accept()
        with open(folder / 'accepted', 'a') as out:
            print('one', file=out)
        if kind == 'reset':
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            connection.close()
        else:
            kept.append(connection)


messages = load_messages()
{'grpc': serve_grpc, 'discard': serve_grpc, 'http': serve_http, 'silent': serve_badly, 'reset': serve_badly}[kind]()
