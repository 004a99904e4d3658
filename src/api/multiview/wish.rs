//! A session as an address asks for it.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::limits;
use crate::api::problem::Problem;
use crate::api::sessions::EngineWish;

/// Parameters that are not listed are ignored: such clients are given URLs with additions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wish {
    /// One to four ids with commas between them.
    pub(in crate::api) games: Option<String>,
    pub(in crate::api) layout: Option<String>,
    pub(in crate::api) audio: Option<String>,
    pub(in crate::api) engine: Option<EngineWish>,
    /// No rendition with more rows of pixels is offered.
    #[param(minimum = 1, maximum = 16_384)]
    pub(in crate::api) max_height: Option<u32>,
    /// A skin of the tenant, for the layout's slots of art.
    pub(in crate::api) skin: Option<String>,
    /// The market that the session is made in.
    pub(in crate::api) market: Option<String>,
    /// Where its viewer is: the code of a country, as `GB`.
    pub(in crate::api) region: Option<String>,
    /// What it is watched on, as the operator calls it: `tv`.
    pub(in crate::api) device_class: Option<String>,
    /// `true`: the playlists list parts, see the playback URL.
    #[serde(default)]
    pub(in crate::api) low_latency: bool,
    /// `true`: the playlist names images for scrubbing, see the playback URL.
    #[serde(default)]
    pub(in crate::api) images: bool,
    /// Where players begin: an instant (RFC 3339), or so many seconds back, see the playback URL.
    pub(in crate::api) start: Option<String>,
    pub(in crate::api) device_id: Option<String>,
    /// A device key, for clients that cannot send an Authorization header.
    pub(in crate::api) key: Option<String>,
}

impl Wish {
    /// Whether what is free text or a code in it may be that.
    pub(in crate::api) fn check(&self) -> Result<(), Problem> {
        limits::device_id(self.device_id.as_deref())?;
        limits::height(self.max_height)?;
        limits::region(self.region.as_deref())?;
        limits::device_class(self.device_class.as_deref())
    }

    /// The ids between the commas.
    pub(in crate::api) fn games(&self) -> Vec<String> {
        let games = self.games.as_deref().filter(|games| !games.is_empty());
        games.map_or_else(Vec::new, |games| games.split(',').map(str::to_owned).collect())
    }
}
