//! `/healthz`, `/readyz`, `/metrics`: what orchestrators and Prometheus ask. They need no key and tell no tenant's business.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus::{Encoder, TextEncoder};
use serde_json::{Map, Value};

use super::App;
use super::problem::{Code, Problem, ProblemBody};

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;
type Note = Box<dyn Fn() -> String + Send + Sync>;

/// Named things that must be well before this machine should be sent new sessions. Each check is asked on every `/readyz`
/// and must answer at once; what it says when it fails is shown to whoever asks.
#[derive(Default)]
pub struct Readiness(Vec<(&'static str, Check)>, Vec<(&'static str, Note)>);

impl Readiness {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn check(mut self, name: &'static str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.0.push((name, Box::new(check)));
        self
    }

    /// Something worth knowing that makes nobody unready.
    pub fn note(self, name: &'static str, note: impl Into<String>) -> Self {
        let note = note.into();
        self.told(name, move || note.clone())
    }

    /// A note that changes.
    pub fn told(mut self, name: &'static str, note: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.1.push((name, Box::new(note)));
        self
    }

    /// What is wrong, by check; and every check with `"ok"` or that, and the notes.
    fn ask(&self) -> (Vec<String>, Map<String, Value>) {
        let (mut wrong, mut answers) = (Vec::new(), Map::new());
        for (name, check) in &self.0 {
            let answer = check().err();
            wrong.extend(answer.iter().map(|fault| format!("{name}: {fault}")));
            answers.insert((*name).to_owned(), answer.unwrap_or_else(|| "ok".to_owned()).into());
        }
        answers.extend(self.1.iter().map(|(name, note)| ((*name).to_owned(), Value::from(note()))));
        (wrong, answers)
    }
}

/// Whether the process is alive.
#[utoipa::path(get, path = "/healthz", operation_id = "get_health", tag = "operators", responses((status = 200, description = "Alive", body = String)))]
pub async fn alive() -> &'static str {
    "ok\n"
}

/// Whether this machine should be sent new sessions: every check and `ok` or what is wrong.
#[utoipa::path(get, path = "/readyz", operation_id = "get_readiness", tag = "operators",
    responses(
        (status = 200, description = "Ready", body = Object),
        (status = 503, description = "`not_ready`, with `checks`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn ready(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let (wrong, checks) = app.readiness.ask();
    if wrong.is_empty() {
        return Ok(Json(serde_json::json!({ "status": "ready", "checks": checks })));
    }
    Err(Problem::new(Code::NotReady, wrong.join("; ")).with("checks", checks))
}

/// All metrics in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", operation_id = "get_metrics", tag = "operators",
    responses((status = 200, description = "Prometheus text format 0.0.4", body = String, content_type = "text/plain")))]
pub async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    encoder.encode(&app.metrics.registry.gather(), &mut text).map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_check_that_fails_is_told_beside_those_that_do_not_and_a_note_is_no_fault() {
        let readiness = Readiness::new().check("store", || Err("the disk is full".into())).check("feeds", || Ok(()));
        let (wrong, answers) = readiness.note("stitch", "it is off").ask();
        assert_eq!(wrong, ["store: the disk is full"]);
        let expected = serde_json::json!({ "store": "the disk is full", "feeds": "ok", "stitch": "it is off" });
        assert_eq!(Value::from(answers), expected);
    }
}
