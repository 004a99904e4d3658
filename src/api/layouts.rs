//! `GET /v1/layouts`: what a mosaic may look like.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::auth::Caller;
use super::problem::{Problem, ProblemBody};
use crate::frame::Rect;
use crate::layout::Layout;

/// Slots on a canvas; all in pixels of the canvas, whatever the rendition.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Layout)]
pub struct LayoutBody {
    pub id: String,
    /// For people.
    pub name: String,
    /// In reading order.
    pub slots: Vec<Rect>,
    pub canvas: Canvas,
    /// The engines of this service that can make it: `render`, `stitch`.
    pub engines: Vec<&'static str>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Canvas {
    pub width: u32,
    pub height: u32,
}

impl LayoutBody {
    fn new(layout: &Layout, app: &App) -> Self {
        Self {
            id: layout.id.clone(),
            name: layout.name.clone(),
            slots: layout.slots.clone(),
            canvas: Canvas { width: layout.canvas.0, height: layout.canvas.1 },
            engines: app.mosaics.engines_for(layout).into_iter().map(|e| e.name()).collect(),
        }
    }
}

/// The layouts on offer.
#[utoipa::path(get, path = "/v1/layouts", tag = "devices", security(("device_key" = []), ("operator_key" = [])),
    responses(
        (status = 200, description = "The layouts on offer", body = [LayoutBody]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(State(app): State<Arc<App>>, _: Caller) -> Result<Json<Vec<LayoutBody>>, Problem> {
    Ok(Json(app.layouts.iter().map(|l| LayoutBody::new(l, &app)).collect()))
}
