//! The span of the current phase, as the parent of what happens in it.
//!
//! Phases follow each other within one future, so no future can be instrumented with a span of its own. Instead the future of the
//! pipeline enters the current span whenever it is polled.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use aprendiz_runs::RunPhase;
use tracing::Span;

/// The span of the phase in which a pipeline is; none before the first.
#[derive(Clone)]
pub(crate) struct PhaseSpan(Arc<Mutex<Span>>);

impl PhaseSpan {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Span::none())))
    }

    /// Ends the span of the current phase and begins that of the given one.
    pub(crate) async fn enter(&self, phase: RunPhase, parent: &Span) {
        // exported as a span of the name of the phase; log messages have the phase as a field of events
        let span = tracing::debug_span!(parent: parent, "phase", otel.name = phase.as_str(), run.phase = phase.as_str());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = span;
        // the rest of the current poll is still within the former span
        tokio::task::yield_now().await;
    }

    fn current(&self) -> Span {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs a future within whatever is the current phase when it is polled.
    pub(crate) fn instrument<F: Future>(&self, future: Pin<Box<F>>) -> InPhase<F> {
        InPhase { phase: self.clone(), future }
    }
}

/// A future within the spans of phases.
pub(crate) struct InPhase<F> {
    phase: PhaseSpan,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for InPhase<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let span = self.phase.current();
        let _entered = span.enter();
        self.future.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tracing::field::{Field, Visit};
    use tracing::{Event, Subscriber, info};
    use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt as _};
    use tracing_subscriber::registry::LookupSpan;

    use super::*;

    /// Records the number of enclosing spans and the name of the phase of each event.
    #[derive(Clone, Default)]
    struct Phases(Arc<Mutex<Vec<(String, usize)>>>);

    struct Name(String);

    impl Visit for Name {
        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == "run.phase" {
                value.clone_into(&mut self.0);
            }
        }
        fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
    }

    impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Phases {
        fn on_new_span(&self, attributes: &tracing::span::Attributes<'_>, id: &tracing::Id, context: LayerContext<'_, S>) {
            let mut name = Name(String::new());
            attributes.record(&mut name);
            context.span(id).unwrap().extensions_mut().insert(name);
        }

        fn on_event(&self, event: &Event<'_>, context: LayerContext<'_, S>) {
            let spans: Vec<String> = context
                .event_scope(event)
                .map(|scope| scope.map(|span| span.extensions().get::<Name>().unwrap().0.clone()).collect())
                .unwrap_or_default();
            self.0.lock().unwrap().push((spans.first().cloned().unwrap_or_default(), spans.len()));
        }
    }

    #[tokio::test]
    async fn what_follows_the_start_of_a_phase_is_within_its_span() {
        let phases = Phases::default();
        let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(phases.clone()));
        let span = PhaseSpan::new();
        let work = {
            let span = span.clone();
            async move {
                let parent = Span::none();
                info!("before");
                for phase in [RunPhase::Dataset, RunPhase::Train] {
                    span.enter(phase, &parent).await;
                    info!("in it");
                    tokio::task::yield_now().await;
                    info!("in it, after a pause");
                }
            }
        };
        span.instrument(Box::pin(work)).await;
        let seen = phases.0.lock().unwrap().clone();
        let expected = ["", "dataset", "dataset", "train", "train"].map(|name| (name.to_owned(), usize::from(!name.is_empty())));
        assert_eq!(seen, expected);
        assert_eq!(seen.into_iter().collect::<HashMap<_, _>>().len(), 3);
    }
}
