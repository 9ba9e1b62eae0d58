//! Export to a collector that decodes what it receives. One test, because a process has one subscriber.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use aprendiz_telemetry::{LogConfig, Service, TraceConfig, TraceContext, TraceSampler, continue_trace, fail_span, set_attribute, start};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use tracing::{Level, event, info_span};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Answers each request with 200 and passes on its body.
fn collector() -> io::Result<(String, Receiver<Vec<u8>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = format!("http://{}/v1/traces", listener.local_addr()?);
    let (bodies, received) = channel();
    std::thread::spawn(move || listener.incoming().try_for_each(|connection| answer(connection?, &bodies)));
    Ok((endpoint, received))
}

fn answer(connection: TcpStream, bodies: &Sender<Vec<u8>>) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    // before the answer, after which the exporter may end
    bodies.send(body).map_err(io::Error::other)?;
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

#[test]
fn spans_and_statements_are_exported_as_children_of_the_request() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let (endpoint, received) = collector().unwrap();
    let config = TraceConfig {
        endpoint,
        headers: Vec::new(),
        timeout: Duration::from_secs(10),
        sampler: TraceSampler::ParentBasedAlwaysOff,
        certificate: None,
        is_service_named: false,
    };
    let logs = LogConfig { filter: Some("off".to_owned()), json: Some(true) };
    let telemetry = start(&logs, "off", Some(&config), Service { name: "aprendiz", version: "1" }).unwrap();

    let statement = |text: &'static str| {
        event!(
            target: "sqlx::query",
            Level::DEBUG,
            summary = "SELECT a FROM t …",
            db.statement = text,
            rows_affected = 0_u64,
            rows_returned = 3_u64,
            elapsed_secs = 0.25
        );
    };
    // without a recorded parent, a statement has no trace
    statement("SELECT a FROM t WHERE b = 0");
    let parent = TraceContext::parse(&format!("00-{TRACE}-00f067aa0ba902b7-01"), None).unwrap();
    let span = info_span!(target: "aprendiz", "request", http.method = "POST", http.route = "/v1/runs", trace.parent = "x");
    continue_trace(&span, &parent);
    set_attribute(&span, "http.response.status_code", 500_i64);
    fail_span(&span, "500");
    span.in_scope(|| {
        assert!(TraceContext::current().unwrap().parent().starts_with(&format!("00-{TRACE}-")));
        statement("\n\nSELECT a FROM t WHERE b = $1\n");
    });
    // not sampled: it has no parent
    info_span!(target: "aprendiz", "request", http.method = "GET", http.route = "/v1/runs").in_scope(|| {});
    drop(span);
    telemetry.finish();

    let mut spans: Vec<Span> = Vec::new();
    let mut resources = String::new();
    while let Ok(body) = received.try_recv() {
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        for resource in request.resource_spans {
            resources += &format!("{:?}", resource.resource);
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    assert!(resources.contains("service.name") && resources.contains("\"aprendiz\""), "{resources}");
    let mut names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["POST /v1/runs", "SELECT a FROM t"]);
    let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (request, statement) = (find("POST /v1/runs"), find("SELECT a FROM t"));
    let attributes = |span: &Span| format!("{:?}", span.attributes);
    assert_eq!((request.kind(), statement.kind()), (SpanKind::Server, SpanKind::Client));
    assert_eq!((&statement.parent_span_id, &statement.trace_id), (&request.span_id, &request.trace_id));
    assert!(attributes(request).contains("http.request.method") && !attributes(request).contains("trace.parent"), "{request:?}");
    assert_eq!(request.status.as_ref().unwrap().message, "500");
    assert!(attributes(statement).contains("\"SELECT a FROM t WHERE b = $1\""), "{statement:?}");
    assert_eq!(statement.end_time_unix_nano - statement.start_time_unix_nano, 250_000_000);
}
