//! What is asked of a session: when it is made, and when it is changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::api::extract::RequestBody;
use crate::api::limits;
use crate::api::problem::Problem;
use crate::market::KeyTerms;
use crate::mosaic::{EngineChoice, EngineKind};

/// What makes the mosaic.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineWish {
    #[default]
    Auto,
    Render,
    Stitch,
}

impl From<EngineWish> for EngineChoice {
    fn from(wish: EngineWish) -> Self {
        match wish {
            EngineWish::Auto => EngineChoice::Auto,
            EngineWish::Render => EngineChoice::Only(EngineKind::Render),
            EngineWish::Stitch => EngineChoice::Only(EngineKind::Stitch),
        }
    }
}

/// A request for a session.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SessionRequest, examples(
    json!({ "games": ["nyk-bos", "lal-gsw"], "layout": "2EH", "audio": "nyk-bos", "device_id": "stb-4100" }),
    json!({ "games": ["nyk-bos"], "max_height": 720, "labels": { "plan": "gold" } }),
))]
pub struct CreateBody {
    /// One to four ids, one for each slot in reading order; a game may come twice.
    #[schema(min_items = 1, max_items = 4)]
    pub games: Vec<String>,
    /// Without it: `1`, `2EH`, `3EL` or `4E`, by the number of games.
    pub layout: Option<String>,
    /// What is heard first: a game, or one of its sounds beside its main one, as `nyk-bos/deu`; without it the first game.
    pub audio: Option<String>,
    /// `auto` when absent.
    pub engine: Option<EngineWish>,
    /// No rendition with more rows of pixels is offered: `720` for a tier that has no more. Without it all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 16_384)]
    pub max_height: Option<u32>,
    /// A skin of the tenant, for the layout's slots of art. Without it they show the background.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skin: Option<String>,
    /// The market that it is made in: its games, languages and tier hold. Without it that of the key, if the key has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<String>,
    /// Where its viewer is, as the caller knows: the code of a country (ISO 3166-1 alpha-2, as `GB`). A market with regions wants one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What it is watched on, as the operator calls it: `tv`, `phone`; made like an id. A game that is limited to some wants one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    pub device_class: Option<String>,
    /// Whatever the operator calls the device; at most 200 characters.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub device_id: Option<String>,
    /// At most 20, keys up to 64 characters, values up to 256; they come back in usage reports.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl RequestBody for CreateBody {
    const FIELDS: &'static [&'static str] = &[
        "games",
        "layout",
        "audio",
        "engine",
        "max_height",
        "skin",
        "market",
        "region",
        "device_class",
        "device_id",
        "labels",
    ];
}

impl CreateBody {
    /// Whether what is free text or a code in it may be that.
    pub(in crate::api) fn check(&self) -> Result<(), Problem> {
        limits::device_id(self.device_id.as_deref())?;
        limits::labels(&self.labels)?;
        limits::height(self.max_height)?;
        limits::region(self.region.as_deref())?;
        limits::device_class(self.device_class.as_deref())
    }

    /// The same request has the same digest, however its JSON is spaced or ordered. With a key of other terms it is another: who may have less is not to find
    /// what was made for others.
    pub(in crate::api) fn digest(&self, terms: &KeyTerms) -> Result<[u8; 32], Problem> {
        let mut digest = Sha256::new_with_prefix(serde_json::to_vec(self).map_err(Problem::internal)?);
        if *terms != KeyTerms::default() {
            digest.update(serde_json::to_vec(&(&terms.market, &terms.tier)).map_err(Problem::internal)?);
        }
        Ok(digest.finalize().into())
    }
}

/// A change of a session: what is absent stays.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SessionChange, examples(json!({ "games": ["lal-gsw", "nyk-bos"] }), json!({ "audio": "lal-gsw" })))]
pub struct ChangeBody {
    #[schema(min_items = 1, max_items = 4)]
    pub games: Option<Vec<String>>,
    pub layout: Option<String>,
    /// A game, or one of its sounds beside its main one, as `nyk-bos/deu`.
    pub audio: Option<String>,
    pub engine: Option<EngineWish>,
    /// A skin of the tenant, as it is now; empty: none any more.
    pub skin: Option<String>,
}

impl RequestBody for ChangeBody {
    const FIELDS: &'static [&'static str] = &["games", "layout", "audio", "engine", "skin"];
}
