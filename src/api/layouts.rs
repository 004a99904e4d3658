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
use crate::mosaic::EngineKind;

/// Slots on a canvas; all in pixels of the canvas, whatever the rendition.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Layout)]
pub struct LayoutBody {
    pub id: String,
    /// For people.
    pub name: String,
    /// Those of games in reading order, as `games` are given; then those of art.
    pub slots: Vec<SlotBody>,
    pub canvas: Canvas,
    /// The engines of this service that can make it.
    #[schema(value_type = Vec<EngineKind>)]
    pub engines: Vec<&'static str>,
}

/// A slot.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LayoutSlot)]
pub struct SlotBody {
    #[serde(flatten)]
    pub rect: Rect,
    pub kind: SlotKind,
    /// Of a slot of art, what skins call it. Slots of one name show pieces of one picture, which lies over the rectangle around all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Of a slot of art, what it costs where a skin has something for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cost: Option<ArtCost>,
}

/// What art in a slot costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ArtCost {
    /// It is beside the games: one picture is encoded, once for everybody, and no encoder runs.
    Nothing,
    /// It lies over a game: an encoder runs for that game in that skin, whoever watches; for more of them than `max_skinned_tiles` of the configuration the
    /// mosaic is rendered.
    Tile,
    /// The layout is rendered: an encoder runs for each mosaic.
    Canvas,
}

/// What a slot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SlotKind {
    /// One of the session's games.
    Game,
    /// What the session's skin has for its name; without one, the background.
    Art,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Canvas {
    pub width: u32,
    pub height: u32,
}

impl LayoutBody {
    fn new(layout: &Layout, app: &App) -> Self {
        let game = |rect: &Rect| SlotBody { rect: *rect, kind: SlotKind::Game, name: None, cost: None };
        let engines = app.mosaics.engines_for(layout);
        let cost = |slot| match (engines.contains(&EngineKind::Stitch), layout.is_over(slot)) {
            (false, _) => ArtCost::Canvas,
            (true, true) => ArtCost::Tile,
            (true, false) => ArtCost::Nothing,
        };
        let art = layout.art.iter().enumerate().map(|(slot, art)| SlotBody {
            rect: art.rect,
            kind: SlotKind::Art,
            name: Some(art.name.clone()),
            cost: Some(cost(slot)),
        });
        Self {
            id: layout.id.clone(),
            name: layout.name.clone(),
            slots: layout.slots.iter().map(game).chain(art).collect(),
            canvas: Canvas { width: layout.canvas.0, height: layout.canvas.1 },
            engines: engines.iter().map(|e| e.name()).collect(),
        }
    }
}

/// The layouts on offer.
#[utoipa::path(get, path = "/v1/layouts", operation_id = "list_layouts", tag = "devices", security(("device_key" = []), ("operator_key" = [])),
    responses(
        (status = 200, description = "The layouts on offer", body = [LayoutBody]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(State(app): State<Arc<App>>, _: Caller) -> Result<Json<Vec<LayoutBody>>, Problem> {
    Ok(Json(app.layouts.iter().map(|l| LayoutBody::new(l, &app)).collect()))
}
