//! OpenTelemetry traces, by its standard environment variables: nothing is sent unless one of them names a collector.
//!
//! `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` turns traces on; headers, timeout, sampler, batches, service
//! name and resource attributes are read by OpenTelemetry's own library. Spans go out as OTLP over HTTP in protobuf. Only
//! Lacuna's own spans are sent: those of clients and drivers may hold addresses.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use crate::config::Environment;
use crate::output;

/// The variables that name a collector.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// What traces call this program, unless the environment does.
const SERVICE: &str = "lacuna";
/// The longest that the end of a run waits for a collector.
const FINISH_MAX: Duration = Duration::from_secs(5);

/// The way to the collector.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Prepares to send, where the environment asks for it. A collector that cannot be right is no reason to leave a request undone.
    pub(super) fn start(environment: Environment<'_>) -> Option<Self> {
        if !wanted(environment) {
            return None;
        }
        let exporter = match SpanExporter::builder().with_http().build() {
            Ok(exporter) => exporter,
            Err(error) => {
                output::note(&format!("warning: no traces are sent: {error}"));
                return None;
            }
        };
        let mut resource = Resource::builder();
        if !["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"].iter().any(|name| is_set(environment, name)) {
            resource = resource.with_service_name(SERVICE);
        }
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
        let tracer = provider.tracer(SERVICE);
        Some(Self { provider, tracer })
    }

    /// What hands spans over.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_filter(Targets::new().with_target("lacuna", LevelFilter::INFO))
    }

    /// Sends what still waits.
    pub(super) fn finish(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FINISH_MAX) {
            output::note(&format!("warning: the last traces were not sent: {error}"));
        }
    }
}

fn is_set(environment: Environment<'_>, name: &str) -> bool {
    environment(name).is_some_and(|value| !value.is_empty())
}

fn wanted(environment: Environment<'_>) -> bool {
    let is = |name: &str, value: &str| environment(name).is_some_and(|set| set.eq_ignore_ascii_case(value));
    ENDPOINTS.iter().any(|name| is_set(environment, name))
        && !is("OTEL_SDK_DISABLED", "true")
        && !is("OTEL_TRACES_EXPORTER", "none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn traces_are_sent_only_where_the_environment_names_a_collector() {
        let wanted =
            |set: &[(&str, &str)]| wanted(&|name| set.iter().find(|it| it.0 == name).map(|it| OsString::from(it.1)));
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert!(wanted(&[endpoint]));
        assert!(wanted(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")]));
        assert!(!wanted(&[]));
        assert!(!wanted(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]));
        assert!(!wanted(&[("OTEL_SERVICE_NAME", "lacuna")]));
        assert!(!wanted(&[endpoint, ("OTEL_SDK_DISABLED", "True")]));
        assert!(!wanted(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
    }
}
