//! Spans: how long what is done takes, and for whose request, for a collector of OpenTelemetry. Where none is configured nobody listens, and a span that is
//! begun costs a look at one number.
//!
//! Rooms begin one with [`span!`], which is tracing's `info_span!` under a target of its own: the log leaves that target out, and what is exported has nothing
//! else, so that no line of the log gets to a collector. Attributes are named here and there by hand: ids, counts, routes. No address of a source, no token, no
//! path and no query stands in one.

mod parent;
mod queue;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::registry::LookupSpan;

pub use parent::Parent;
pub use queue::Finished;

/// Of all spans that are exported.
pub const TARGET: &str = "quadrille::traced";

/// Begins a span that is exported: its name, then its attributes as tracing takes them.
macro_rules! span {
    ($name:literal $(, $($attribute:tt)+)?) => {
        tracing::info_span!(target: $crate::spans::TARGET, $name $(, $($attribute)+)?)
    };
}
pub(crate) use span;

/// What a deployment's spans say of it, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanSettings {
    /// `service.name`.
    pub service: String,
    /// One trace in so many is exported; of those that somebody else began, all that are sampled there.
    pub sample_one_in: u32,
}

/// What listens to spans, for the program's subscriber, and where they come out when they are over. The subscriber has to ask it about [`TARGET`] alone.
pub fn open<S>(settings: &SpanSettings) -> (OpenTelemetryLayer<S, SdkTracer>, Finished)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", settings.service.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .build();
    let (processor, finished) = queue::open(resource.clone());
    let ratio = Sampler::TraceIdRatioBased(1.0 / f64::from(settings.sample_one_in.max(1)));
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Sampler::ParentBased(Box::new(ratio)))
        .with_span_processor(processor)
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("quadrille"))
        .with_context_activation(false)
        .with_tracked_inactivity(false)
        .with_location(false)
        .with_threads(false)
        .with_target(false);
    (layer, finished)
}

/// Makes `span` belong to `parent`. It has to be done before anything else is asked of it.
pub fn follow(span: &tracing::Span, parent: Parent<'_>) {
    let Parent { trace_id, span_id, is_sampled } = parent;
    let (Ok(trace_id), Ok(span_id)) = (TraceId::from_hex(trace_id), SpanId::from_hex(span_id)) else { return };
    let flags = if is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let context = SpanContext::new(trace_id, span_id, flags, true, TraceState::default());
    // Where nobody listens there is nothing to be said.
    let _ = span.set_parent(Context::new().with_remote_span_context(context));
}

/// The trace that `span` belongs to, if it is exported.
pub fn trace_id(span: &tracing::Span) -> Option<String> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    (context.is_valid() && context.is_sampled()).then(|| context.trace_id().to_string())
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{Layer, registry};

    use super::*;

    fn listening(sample_one_in: u32, within: impl FnOnce()) -> Finished {
        let (layer, finished) = open(&SpanSettings { service: "test".to_owned(), sample_one_in });
        let only = Targets::new().with_target(TARGET, tracing::Level::INFO);
        tracing::subscriber::with_default(registry().with(layer.with_filter(only)), within);
        finished
    }

    const THEIRS: Parent<'_> =
        Parent { trace_id: "4bf92f3577b34da6a3ce929d0e0e4736", span_id: "00f067aa0ba902b7", is_sampled: true };

    #[test]
    fn a_span_belongs_to_whom_it_follows_and_what_is_begun_within_to_it() {
        let finished = listening(1, || {
            let outer = span!("outer", quadrille.games = 4, quadrille.session = tracing::field::Empty);
            follow(&outer, THEIRS);
            assert_eq!(trace_id(&outer).as_deref(), Some(THEIRS.trace_id));
            outer.in_scope(|| {
                let _log = tracing::info_span!("of the log", secret = "s3cret").entered();
                tracing::info!(secret = "s3cret", "a line of the log");
                drop(span!("inner"));
            });
            outer.record("quadrille.session", "s_1");
        });
        let spans = finished.drain();
        let named: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(named, ["inner", "outer"]);
        assert_eq!(spans[1].parent_span_id.to_string(), THEIRS.span_id);
        assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
        assert!(spans.iter().all(|span| span.span_context.trace_id().to_string() == THEIRS.trace_id));
        let said: Vec<String> = spans[1].attributes.iter().map(|a| format!("{}={}", a.key, a.value)).collect();
        assert_eq!(said, ["quadrille.games=4", "quadrille.session=s_1"], "nothing that nobody named");
        assert!(!format!("{spans:?}").contains("s3cret"), "the log goes nowhere");
    }

    #[test]
    fn what_is_not_sampled_there_is_not_exported_and_of_our_own_one_in_so_many_is() {
        let finished = listening(1, || {
            let outer = span!("outer");
            follow(&outer, Parent { is_sampled: false, ..THEIRS });
            assert_eq!(trace_id(&outer), None);
            drop(outer.in_scope(|| span!("inner")));
        });
        assert!(finished.drain().is_empty());
        let finished = listening(1_000_000, || (0..200).for_each(|_| drop(span!("own"))));
        assert!(finished.drain().len() < 5);
        let finished = listening(1_000_000, || follow(&span!("theirs"), THEIRS));
        assert_eq!(finished.drain().len(), 1, "whoever asked has sampled it");
    }

    #[test]
    fn where_nobody_listens_there_is_no_span() {
        let span = span!("alone");
        follow(&span, THEIRS);
        assert!(span.is_disabled() && trace_id(&span).is_none());
    }

    #[test]
    fn what_there_is_no_room_for_is_lost_and_counted() {
        let lost = prometheus::IntCounter::new("lost", "lost").unwrap();
        let (layer, finished) = open(&SpanSettings { service: "test".to_owned(), sample_one_in: 1 });
        finished.count_lost(lost.clone());
        let subscriber = registry().with(layer);
        tracing::subscriber::with_default(subscriber, || (0..queue::MOST_WAITING + 7).for_each(|_| drop(span!("one"))));
        assert_eq!((lost.get(), finished.drain().len()), (7, queue::MOST_WAITING));
    }
}
