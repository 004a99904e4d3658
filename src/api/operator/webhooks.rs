//! `/v1/operator/webhooks`: whom a tenant wants to be told what happens.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::extract::{Body, Named, RequestBody};
use crate::api::problem::{Problem, ProblemBody};
use crate::events::{EventKind, rfc_3339};
use crate::outbound::{Delivery, MadeWebhook, NewWebhook, RegisteredWebhook, Tested, WebhookState};

/// A webhook to make, or what it becomes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookRequest, example = json!({ "url": "https://ops.example/quadrille", "events": ["game.slate", "game.live"] }))]
pub struct WebhookBody {
    /// `http` or `https`, without user and password, up to 2048 characters. It may lead where the tenant's sources may.
    pub url: String,
    /// What it is told. Absent or `null`: everything, types that are yet to come too.
    #[serde(default)]
    pub events: Option<BTreeSet<EventKind>>,
}

impl RequestBody for WebhookBody {
    const FIELDS: &'static [&'static str] = &["url", "events"];
}

impl From<WebhookBody> for NewWebhook {
    fn from(WebhookBody { url, events }: WebhookBody) -> Self {
        Self { url, events }
    }
}

/// How a webhook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WebhookState)]
pub enum Standing {
    Active,
    /// It did not take what it was told last, and is asked again.
    Failing,
    /// It is told nothing until it is put anew.
    Disabled,
}

impl From<WebhookState> for Standing {
    fn from(state: WebhookState) -> Self {
        match state {
            WebhookState::Active => Self::Active,
            WebhookState::Failing => Self::Failing,
            WebhookState::Disabled => Self::Disabled,
        }
    }
}

/// A webhook and how it fares. Times are RFC 3339.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookView {
    pub id: String,
    pub url: String,
    /// `null`: everything.
    pub events: Option<Vec<EventKind>>,
    pub state: Standing,
    pub created_at: String,
    /// When its secret was rotated last. Messages are signed with the former one, too, for a day.
    pub rotated_at: Option<String>,
    pub last_delivered_at: Option<String>,
    /// Why it did not take what it was told last; `null` where it did.
    pub last_error: Option<String>,
    pub failing_since: Option<String>,
    pub disabled_at: Option<String>,
    /// `failing`: it took nothing for three days. `gone`: it answered 410.
    #[schema(value_type = Option<String>, pattern = "^(failing|gone)$")]
    pub disabled_reason: Option<&'static str>,
    /// Events that wait for it.
    pub pending: u64,
    /// Events that were not kept for it since the service started, because too many waited.
    pub lost: u64,
}

impl From<RegisteredWebhook> for WebhookView {
    fn from(webhook: RegisteredWebhook) -> Self {
        Self {
            id: webhook.id,
            url: webhook.url,
            events: webhook.events,
            state: webhook.state.into(),
            created_at: rfc_3339(webhook.created_ms),
            rotated_at: webhook.rotated_ms.map(rfc_3339),
            last_delivered_at: webhook.last_delivered_ms.map(rfc_3339),
            last_error: webhook.last_error,
            failing_since: webhook.failing_since_ms.map(rfc_3339),
            disabled_at: webhook.disabled_ms.map(rfc_3339),
            disabled_reason: webhook.disabled_why,
            pending: webhook.pending,
            lost: webhook.lost,
        }
    }
}

/// A webhook whose secret was just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MadeWebhook)]
pub struct MadeWebhookView {
    #[serde(flatten)]
    pub view: WebhookView,
    /// `whsec_` and base64: what its messages are signed with. It is told this once.
    pub secret: String,
}

impl From<MadeWebhook> for MadeWebhookView {
    fn from(MadeWebhook { registered, secret }: MadeWebhook) -> Self {
        Self { view: registered.into(), secret }
    }
}

/// What came of trying a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookTest {
    /// It answered with a success.
    pub delivered: bool,
    /// The status of its answer; `null` where there was none.
    pub status: Option<u16>,
    /// Why it was not taken.
    pub error: Option<String>,
    pub took_ms: u64,
}

impl From<Tested> for WebhookTest {
    fn from(Tested { delivered, status, error, took }: Tested) -> Self {
        Self { delivered, status, error, took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) }
    }
}

/// An attempt to tell a webhook something. Times are RFC 3339.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryView {
    /// The event's id, as in `webhook-id`: the same in each attempt.
    pub event_id: String,
    /// As in the event's `type`; `webhook.test` where somebody tried the webhook.
    #[serde(rename = "type")]
    pub kind: String,
    pub sent_at: String,
    /// How often it was sent by then, this time included.
    pub attempt: u32,
    /// It answered with a success.
    pub delivered: bool,
    /// The status of its answer; `null` where there was none.
    pub status: Option<u16>,
    /// Why it was not taken.
    pub error: Option<String>,
    pub took_ms: u64,
    /// When this attempt's event is sent again at the earliest; `null` where it is not.
    pub next_attempt_at: Option<String>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            event_id: delivery.event,
            kind: delivery.kind,
            sent_at: rfc_3339(delivery.at_ms),
            attempt: delivery.attempt,
            delivered: delivery.error.is_none(),
            status: delivery.status,
            error: delivery.error,
            took_ms: u64::try_from(delivery.took.as_millis()).unwrap_or(u64::MAX),
            next_attempt_at: delivery.again_ms.map(rfc_3339),
        }
    }
}

/// The tenant's webhooks, the oldest first.
#[utoipa::path(get, path = "/v1/operator/webhooks", operation_id = "list_webhooks", tag = "operators", security(("operator_key" = [])),
    responses(
        (status = 200, description = "The webhooks", body = [WebhookView]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(State(app): State<Arc<App>>, operator: Operator) -> Json<Vec<WebhookView>> {
    Json(app.webhooks.all(&operator.tenant).into_iter().map(WebhookView::from).collect())
}

/// Makes a webhook. Its secret is told this once.
#[utoipa::path(post, path = "/v1/operator/webhooks", operation_id = "create_webhook", tag = "operators", request_body = WebhookBody, security(("operator_key" = [])),
    responses(
        (status = 201, description = "The webhook, with its secret", body = MadeWebhookView, headers(("Location" = String, description = "Path of the webhook"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`limit_reached`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`field_unknown`, `field_invalid`, `webhook_forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn create(
    State(app): State<Arc<App>>,
    operator: Operator,
    Body(body): Body<WebhookBody>,
) -> Result<Response, Problem> {
    let made = app.webhooks.make(&operator.tenant, body.into()).await?;
    let location = crate::api::header_text(&format!("/v1/operator/webhooks/{}", made.registered.id));
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, crate::api::header_text("no-store"))];
    Ok((StatusCode::CREATED, headers, Json(MadeWebhookView::from(made))).into_response())
}

/// One webhook.
#[utoipa::path(get, path = "/v1/operator/webhooks/{id}", operation_id = "get_webhook", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The webhook", body = WebhookView),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`webhook_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn get(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<Json<WebhookView>, Problem> {
    Ok(Json(app.webhooks.get(&operator.tenant, &id)?.into()))
}

/// Changes a webhook. Its secret stays. One that was disabled is told things again, from now on.
#[utoipa::path(put, path = "/v1/operator/webhooks/{id}", operation_id = "replace_webhook", tag = "operators", request_body = WebhookBody, security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The webhook", body = WebhookView),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`webhook_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`field_unknown`, `field_invalid`, `webhook_forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn replace(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
    Body(body): Body<WebhookBody>,
) -> Result<Json<WebhookView>, Problem> {
    Ok(Json(app.webhooks.replace(&operator.tenant, &id, body.into()).await?.into()))
}

/// Forgets a webhook, and what waits for it.
#[utoipa::path(delete, path = "/v1/operator/webhooks/{id}", operation_id = "delete_webhook", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "Forgotten"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`webhook_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn delete(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    app.webhooks.remove(&operator.tenant, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a webhook was sent of late and what it answered: up to 50 attempts since the service started, the newest first.
#[utoipa::path(get, path = "/v1/operator/webhooks/{id}/deliveries", operation_id = "list_webhook_deliveries", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The attempts", body = [DeliveryView]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`webhook_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn deliveries(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<Json<Vec<DeliveryView>>, Problem> {
    let all = app.webhooks.deliveries(&operator.tenant, &id)?;
    Ok(Json(all.into_iter().map(DeliveryView::from).collect()))
}

/// Gives a webhook another secret, told this once. Messages are signed with the former one, too, for 24 hours; rotating twice ends that at once.
#[utoipa::path(post, path = "/v1/operator/webhooks/{id}/rotate", operation_id = "rotate_webhook_secret", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The webhook, with its new secret", body = MadeWebhookView),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`webhook_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn rotate(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<Response, Problem> {
    let made = app.webhooks.rotate(&operator.tenant, &id).await?;
    let headers = [(header::CACHE_CONTROL, crate::api::header_text("no-store"))];
    Ok((headers, Json(MadeWebhookView::from(made))).into_response())
}

/// Sends a webhook an event of type `webhook.test`, now and once, and says what came of it. It waits for the answer, 20 seconds at most.
#[utoipa::path(post, path = "/v1/operator/webhooks/{id}/test", operation_id = "test_webhook", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "What came of it", body = WebhookTest),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`webhook_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn test(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<Json<WebhookTest>, Problem> {
    Ok(Json(app.webhooks.test(&operator.tenant, &id).await?.into()))
}
