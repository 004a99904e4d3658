//! `/v1/operator/keys`: the keys of a tenant.

mod body;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::extract::{Body, Named};
use crate::api::problem::{Problem, ProblemBody};
use crate::config::KeyRole;
use crate::keys::{KeyOrigin, RegisteredKey};
use crate::market::Feature;
pub use body::{KeyBody, Role};

/// A key, without what opens anything.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyView {
    pub id: String,
    pub name: String,
    pub role: Role,
    /// `null`: all.
    pub scopes: Option<Vec<String>>,
    pub market: Option<String>,
    pub max_height: Option<u32>,
    pub features: Option<BTreeSet<Feature>>,
    /// `config`: from the configuration file, read-only here; `operator`: made here.
    #[schema(value_type = String, pattern = "^(config|operator)$")]
    pub origin: &'static str,
    /// RFC 3339; `null` for those of the configuration.
    pub created_at: Option<String>,
    pub expires_at: Option<String>,
    /// When it was presented last since the service started.
    pub last_used_at: Option<String>,
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MadeKey)]
pub struct MadeKeyView {
    #[serde(flatten)]
    pub view: KeyView,
    /// What is sent as `Authorization: Bearer …`. It is told this once and kept nowhere.
    pub key: String,
}

fn rfc_3339(unix_ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::MAX))
}

impl From<RegisteredKey> for KeyView {
    fn from(key: RegisteredKey) -> Self {
        let is_device = key.role == KeyRole::Device;
        Self {
            id: key.id,
            name: key.name,
            role: if is_device { Role::Device } else { Role::Operator },
            scopes: if is_device { Some(Vec::new()) } else { key.scopes.named() },
            market: key.terms.market,
            max_height: key.terms.tier.max_height,
            features: key.terms.tier.features,
            origin: if key.origin == KeyOrigin::Config { "config" } else { "operator" },
            created_at: key.created_ms.map(rfc_3339),
            expires_at: key.expires_ms.map(rfc_3339),
            last_used_at: key.last_used_ms.map(rfc_3339),
        }
    }
}

/// The tenant's keys: those of the configuration, then made ones, the oldest first.
#[utoipa::path(get, path = "/v1/operator/keys", operation_id = "list_keys", tag = "operators", security(("operator_key" = [])),
    responses(
        (status = 200, description = "The keys", body = [KeyView]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(State(app): State<Arc<App>>, operator: Operator) -> Json<Vec<KeyView>> {
    Json(app.keys.all(&operator.tenant).into_iter().map(KeyView::from).collect())
}

/// Makes a key. It may do no more than the key that asks.
#[utoipa::path(post, path = "/v1/operator/keys", operation_id = "create_key", tag = "operators", request_body = KeyBody, security(("operator_key" = [])),
    responses(
        (status = 201, description = "The key, told this once", body = MadeKeyView, headers(("Location" = String, description = "Path of the key"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`limit_reached`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`field_unknown`, `field_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn create(
    State(app): State<Arc<App>>,
    operator: Operator,
    Body(body): Body<KeyBody>,
) -> Result<Response, Problem> {
    let new = body.checked(&operator.principal.scopes, app.sessions.least_height())?;
    if let Some(market) = &new.terms.market {
        app.sessions.markets().get(&operator.tenant, market)?;
    }
    let made = app.keys.make(&operator.principal, new, app.clock.now().unix_millis()).await?;
    let location = crate::api::header_text(&format!("/v1/operator/keys/{}", made.registered.id));
    let view = MadeKeyView { view: made.registered.into(), key: made.key };
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, crate::api::header_text("no-store"))];
    Ok((StatusCode::CREATED, headers, Json(view)).into_response())
}

/// One key.
#[utoipa::path(get, path = "/v1/operator/keys/{id}", operation_id = "get_key", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The key", body = KeyView),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`key_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn get(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<Json<KeyView>, Problem> {
    Ok(Json(app.keys.get(&operator.tenant, &id)?.into()))
}

/// Revokes a key: from now on it opens nothing. Sessions that were made with it go on.
#[utoipa::path(delete, path = "/v1/operator/keys/{id}", operation_id = "revoke_key", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "Revoked"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`key_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`key_read_only`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn revoke(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    app.keys.revoke(&operator.principal, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
