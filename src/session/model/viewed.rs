//! A session as others see it.

use super::super::view::slots_of;
use super::super::{OperatedSession, SessionView, ViewState};
use super::written::{offer_of, skin_of};
use super::{Session, rfc_3339_ms, shows_at};
use crate::layout::Layout;
use crate::store::SessionRow;
use crate::timeline::Grid;
use crate::track::Position;

impl Session {
    pub(in crate::session) fn operated(&self, grid: &Grid) -> OperatedSession {
        OperatedSession {
            session: self.view(grid),
            device_id: self.device_id.clone(),
            labels: self.labels.clone(),
            last_seen_at: rfc_3339_ms(self.last_seen_ms),
            ended_at: self.ended_ms.map(rfc_3339_ms),
        }
    }

    pub(in crate::session) fn view(&self, grid: &Grid) -> SessionView {
        let games = self.show.game_ids();
        SessionView {
            id: self.id.to_string(),
            state: if self.state.is_active() { ViewState::Active } else { ViewState::Ended },
            revision: self.revision,
            playback_url: self.token.to_string(),
            layout: self.show.layout.id.clone(),
            engine: self.engine.name().to_owned(),
            slots: slots_of(&self.show.layout, &games),
            games,
            audio: self.show.audio.clone(),
            max_height: self.max_height,
            skin: self.show.skin.as_ref().map(|skin| skin.id.clone()),
            market: self.rights.market.clone(),
            region: self.rights.region.clone(),
            device_class: self.rights.device_class.clone(),
            features: self.rights.tier.features(),
            start_over_s: None,
            skew_ms: None,
            created_at: rfc_3339_ms(self.created_ms),
            effective_segment: self.numbering.sequence(self.effective_segment),
            effective_at: shows_at(grid, Position::new(self.effective_segment, self.effective_part)).to_string(),
            end_reason: self.end_reason(),
            billable_seconds: self.meter.billable_seconds(),
        }
    }
}

/// The view of a session that only the store still knows.
pub(in crate::session) fn view_of_row(row: SessionRow, layout: Option<&Layout>, grid: &Grid) -> SessionView {
    let (max_height, rights) = offer_of(&row);
    SessionView {
        max_height,
        skin: skin_of(&row),
        features: rights.tier.features(),
        market: rights.market,
        region: rights.region,
        device_class: rights.device_class,
        start_over_s: None,
        skew_ms: None,
        playback_url: row.token,
        state: if row.ended_ms.is_none() { ViewState::Active } else { ViewState::Ended },
        slots: layout.map(|layout| slots_of(layout, &row.games)).unwrap_or_default(),
        created_at: rfc_3339_ms(row.created_ms),
        id: row.id,
        revision: row.revision,
        layout: row.layout,
        engine: row.engine,
        games: row.games,
        audio: row.audio,
        effective_at: grid.segment_time(row.effective_segment).to_string(),
        effective_segment: row.effective_segment,
        end_reason: row.end_reason,
        billable_seconds: row.billable_seconds,
    }
}

/// What the operator sees of a session that only the store still knows.
pub(in crate::session) fn operated_row(mut row: SessionRow, layout: Option<&Layout>, grid: &Grid) -> OperatedSession {
    OperatedSession {
        device_id: row.device_id.take(),
        labels: std::mem::take(&mut row.labels),
        last_seen_at: rfc_3339_ms(row.last_seen_ms),
        ended_at: row.ended_ms.map(rfc_3339_ms),
        session: view_of_row(row, layout, grid),
    }
}
