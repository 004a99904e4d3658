//! `/v1/operator/assets` and `/v1/operator/skins`: art for the slots that show no game.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::client::Client;
use crate::api::extract::{self, Body, Named, Params, RequestBody};
use crate::api::ids::id_of;
use crate::api::problem::{Code, Problem, ProblemBody};
use crate::assets::{Asset, AssetError, AssetId, AssetType, Line, Skin, SkinOrigin, Stop};
use crate::jpeg;

/// What a skin is to show.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SkinRequest, examples(json!({ "art": { "frame": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" } })))]
pub struct SkinBody {
    /// Assets by the names of slots of art, as `/v1/layouts` tells them: `{"frame": "9f86d0…"}`. A slot whose name is not here shows the
    /// layout's background.
    pub art: BTreeMap<String, String>,
}

impl RequestBody for SkinBody {
    const FIELDS: &'static [&'static str] = &["art"];
}

/// The media type that a body is sent as; one that says nothing is believed by its bytes.
fn sent_as(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let essence = given.to_str().unwrap_or("unreadable").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if essence == "application/octet-stream" {
        return Ok(None);
    }
    let allowed = AssetType::ALL.map(AssetType::media_type);
    if allowed.contains(&essence.as_str()) {
        return Ok(Some(essence));
    }
    let detail = format!("Content-Type is {essence:?}; send {}.", allowed.join(", "));
    Err(Problem::new(Code::MediaTypeUnsupported, detail).with("allowed", allowed.to_vec()))
}

fn asset_id(text: &str) -> Result<AssetId, Problem> {
    text.parse().map_err(|e| Problem::new(Code::AssetUnknown, format!("There is no such asset: {e}.")))
}

/// What may take as long as a disk or a decoder does.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)
}

/// What is drawn, in one of `line`'s places, for as long as whoever asked is there.
async fn drawn<T: Send + 'static>(
    line: &Line,
    (operator, client): (&Operator, Client),
    work: impl FnOnce(&Stop) -> T + Send + 'static,
) -> Result<T, Problem> {
    let place = tokio::select! {
        place = line.place(&operator.tenant) => place?,
        () = client.gone() => return Err(AssetError::Gone.into()),
    };
    let stop = Stop::default();
    // Where nobody waits for this either.
    let _stops = stop.on_drop();
    let work = {
        let stop = stop.clone();
        // The place is free when the work has ended, and not before.
        aside(move || (work(&stop), place).0)
    };
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = client.gone() => stop.stop(),
    }
    work.await
}

/// Takes in a picture or a clip for slots of art: PNG, JPEG, WebP or SVG, of at most 4096 pixels a side, or MP4, WebM or MPEG-TS of at most 30 s. PNG and WebP may be
/// animated. It is read whole before it is taken: of a clip that takes as long as decoding it. A clip's sound is not heard (`has_sound`). The same file again is the same asset.
#[utoipa::path(post, path = "/v1/operator/assets", operation_id = "upload_asset", tag = "operators", security(("operator_key" = [])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file; its type in Content-Type"),
    responses(
        (status = 200, description = "The asset, which was there already", body = Asset),
        (status = 201, description = "The asset", body = Asset, headers(("Location" = String, description = "Path of the asset"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "`body_timeout`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`limit_reached`: the tenant has as many, or as large ones, as it may have", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`asset_invalid`: `detail` says what is wrong with it and what is allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`capacity`: too many of the tenant's files wait to be checked or a clip cannot be decoded now (`reason`: `art`); `store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn upload(
    State(app): State<Arc<App>>,
    operator: Operator,
    client: Client,
    request: Request,
) -> Result<Response, Problem> {
    let given = sent_as(request.headers())?;
    let limit = usize::try_from(app.assets.limits().file_bytes).unwrap_or(usize::MAX);
    let bytes = extract::read(request, limit).await?;
    let (assets, tenant) = (app.assets.clone(), operator.tenant.clone());
    let add = move |stop: &Stop| assets.add_until(&tenant, &bytes, given.as_deref(), stop);
    let (asset, is_new) = drawn(&app.assets.uploads, (&operator, client), add).await??;
    if !is_new {
        return Ok(Json(asset).into_response());
    }
    let location = crate::api::header_text(&format!("/v1/operator/assets/{}", asset.id));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(asset)).into_response())
}

/// The tenant's assets, ordered by id.
#[utoipa::path(get, path = "/v1/operator/assets", operation_id = "list_assets", tag = "operators", security(("operator_key" = [])),
    responses(
        (status = 200, description = "The assets", body = [Asset]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(State(app): State<Arc<App>>, operator: Operator) -> Json<Vec<Asset>> {
    Json(app.assets.list(&operator.tenant))
}

/// An asset.
#[utoipa::path(get, path = "/v1/operator/assets/{id}", operation_id = "get_asset", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The asset", body = Asset),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`asset_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn get(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<Json<Asset>, Problem> {
    let unknown = || Problem::new(Code::AssetUnknown, format!("There is no asset {id}."));
    app.assets.get(&operator.tenant, &asset_id(&id)?).map(Json).ok_or_else(unknown)
}

/// Which slots are previewed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PreviewParams {
    layout: String,
    /// The name of the layout's slots of art.
    slot: String,
}

/// How an asset looks in a layout's slots: a JPEG, 320 pixels wide, of the layout's canvas without games.
#[utoipa::path(get, path = "/v1/operator/assets/{id}/preview", operation_id = "preview_asset", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path), PreviewParams),
    responses(
        (status = 200, description = "The picture", body = Vec<u8>, content_type = "image/jpeg"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`asset_unknown`, `layout_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`: with the names that the layout has, as `allowed`; `asset_invalid`: it cannot be drawn at that size, and `detail` says why", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`capacity`: too many of the tenant's files wait to be drawn, or no process could be had to draw it (`reason`: `art`); `store_unavailable`: its file cannot be read", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn preview(
    State(app): State<Arc<App>>,
    operator: Operator,
    client: Client,
    Named(id): Named<String>,
    Params(asked): Params<PreviewParams>,
) -> Result<Response, Problem> {
    let asset = asset_id(&id)?;
    if app.assets.get(&operator.tenant, &asset).is_none() {
        return Err(Problem::new(Code::AssetUnknown, format!("There is no asset {id}.")));
    }
    let unknown = || {
        let all: Vec<String> = app.layouts.iter().map(|layout| layout.id.clone()).collect();
        let detail = format!("There is no layout {:?}; there are {}.", asked.layout, all.join(", "));
        Problem::new(Code::LayoutUnknown, detail).with("parameter", "layout").with("allowed", all)
    };
    let layout = app.layouts.get(&asked.layout).ok_or_else(unknown)?;
    let names: Vec<String> = layout.art_names().into_iter().map(str::to_owned).collect();
    if !names.contains(&asked.slot) {
        let detail = format!("Layout {} has the slots of art [{}], not {:?}.", layout.id, names.join(", "), asked.slot);
        return Err(Problem::parameter("slot", detail).with("allowed", names));
    }
    let (assets, tenant) = (app.assets.clone(), operator.tenant.clone());
    let draw = move |stop: &Stop| {
        let picture = assets.preview(&tenant, &asset, &layout, &asked.slot, stop)?;
        Ok::<_, AssetError>(picture.and_then(|picture| jpeg::thumbnail(&picture)))
    };
    let picture = drawn(&app.assets.previews, (&operator, client), draw).await??;
    let bytes = picture.ok_or_else(|| Problem::internal("a picture of an asset is none"))?;
    let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=3600")];
    Ok((headers, bytes).into_response())
}

/// The file of an asset, as it was sent.
#[utoipa::path(get, path = "/v1/operator/assets/{id}/file", operation_id = "get_asset_file", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The file, of the asset's type", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`asset_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn file(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<Response, Problem> {
    let id = asset_id(&id)?;
    let assets = app.assets.clone();
    let (kind, bytes) = aside(move || assets.file(&operator.tenant, &id)).await??;
    // Whatever stands in the file, opened as a page it is nothing but a picture.
    let headers = [
        (header::CONTENT_TYPE, kind.media_type()),
        (header::CACHE_CONTROL, "private, max-age=3600"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    Ok((headers, bytes).into_response())
}

/// Lets go of an asset that no skin has and no active session shows.
#[utoipa::path(delete, path = "/v1/operator/assets/{id}", operation_id = "delete_asset", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "It is gone"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`asset_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`asset_in_use`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn delete(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    let id = asset_id(&id)?;
    let sessions = app.sessions.showing(&operator.tenant, &id);
    if sessions > 0 {
        let detail = format!("The asset is shown in {sessions} active sessions.");
        return Err(Problem::new(Code::AssetInUse, detail).with("sessions", sessions));
    }
    let assets = app.assets.clone();
    aside(move || assets.delete(&operator.tenant, &id)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// The tenant's skins, ordered by id.
#[utoipa::path(get, path = "/v1/operator/skins", operation_id = "list_skins", tag = "operators", security(("operator_key" = [])),
    responses(
        (status = 200, description = "The skins", body = [Skin]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn skins(State(app): State<Arc<App>>, operator: Operator) -> Json<Vec<Arc<Skin>>> {
    Json(app.assets.skins(&operator.tenant))
}

/// A skin.
#[utoipa::path(get, path = "/v1/operator/skins/{id}", operation_id = "get_skin", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The skin", body = Skin),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`skin_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn skin(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<Json<Arc<Skin>>, Problem> {
    app.skin(&operator.tenant, &id).map(Json)
}

/// Makes the skin be as given. Sessions that show it already go on with what it was, until they name it again.
#[utoipa::path(put, path = "/v1/operator/skins/{id}", operation_id = "replace_skin", tag = "operators", request_body = SkinBody, security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The skin", body = Skin),
        (status = 201, description = "The skin, which is new", body = Skin, headers(("Location" = String, description = "Path of the skin"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`asset_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`skin_read_only`, `limit_reached`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`field_unknown`, `field_invalid`: with the names that layouts have, as `allowed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn put_skin(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
    Body(body): Body<SkinBody>,
) -> Result<Response, Problem> {
    let id = id_of(None, Some(id))?;
    let mut art = BTreeMap::new();
    for (name, asset) in body.art {
        let field = format!("art.{name}");
        let allowed = app.layouts.art_names();
        if !allowed.contains(&name) {
            let detail = format!("No layout has a slot of art {name:?}; the names are {}.", allowed.join(", "));
            return Err(Problem::field(&field, detail).with("allowed", allowed));
        }
        let asset = asset.parse::<AssetId>().map_err(|e| Problem::field(&field, format!("{e}.")))?;
        art.insert(name, asset);
    }
    let skin = Skin { id, art, origin: SkinOrigin::Operator };
    let (assets, kept) = (app.assets.clone(), skin.clone());
    let put = aside(move || assets.put_skin(&operator.tenant, kept)).await?;
    let is_new = put.map_err(|error| {
        let meant = |(_, asset): &(&String, &AssetId)| error == AssetError::Unknown(**asset);
        let field = skin.art.iter().find(meant).map(|(name, _)| format!("art.{name}"));
        let problem = Problem::from(error);
        field.into_iter().fold(problem, |problem, field| problem.with("field", field))
    })?;
    if !is_new {
        return Ok(Json(skin).into_response());
    }
    let location = crate::api::header_text(&format!("/v1/operator/skins/{}", skin.id));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(skin)).into_response())
}

/// Forgets a skin. Sessions that show it go on doing so.
#[utoipa::path(delete, path = "/v1/operator/skins/{id}", operation_id = "delete_skin", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "It is gone"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`skin_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`skin_read_only`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn delete_skin(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    let assets = app.assets.clone();
    aside(move || assets.delete_skin(&operator.tenant, &id)).await??;
    Ok(StatusCode::NO_CONTENT)
}
