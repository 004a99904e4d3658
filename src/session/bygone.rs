//! What a session's market shows of breaks that were before the session began: a slate, in the past of whoever goes back that far.

use super::model::{Home, Pick, Span};
use super::registry::{Entry, Sessions};
use super::stand_ins::{BygoneAsk, STILL_WAIT, StandIns, nearest_segment};
use crate::market::MarketBreakPolicy;
use crate::mosaic::{EngineKind, MosaicSpec};
use crate::timeline::SegmentNumber;

impl Sessions {
    /// Sees to it that what `entry` lists from segment `since` on is known and made, where it goes back beyond its own beginning. What cannot be made in time is
    /// listed as a gap.
    pub(super) async fn reach_back(&self, entry: &Entry, since: SegmentNumber) {
        let Some(stand_ins) = self.stand_ins.get() else { return };
        self.plan_past(&**stand_ins, entry, since);
        let made = async {
            while !self.is_past_made(&**stand_ins, entry) {
                tokio::time::sleep(STILL_WAIT).await;
            }
        };
        // Whatever comes of it: the game is not shown.
        let _ = tokio::time::timeout(self.settings.change_wait, made).await;
    }

    fn plan_past(&self, stand_ins: &dyn StandIns, entry: &Entry, since: SegmentNumber) {
        let rights = {
            let session = entry.session.lock();
            if session.rights.market.is_none() || session.reaches(since) {
                return;
            }
            session.rights.clone()
        };
        let policy = self.rules(&entry.tenant, &rights).market().map(|market| market.breaks.policy);
        if !matches!(policy, Some(MarketBreakPolicy::Slate | MarketBreakPolicy::Advertisement)) {
            return;
        }
        let Some((first, home)) = self.first_shown(entry) else { return };
        let replaced = self.replaced(stand_ins, entry, &home, (since, first));
        let past = home.past(since, replaced, |spec: &MosaicSpec| {
            let (id, engine) = self.mosaics.name(spec, home.engine).ok()?;
            (engine == EngineKind::Stitch).then_some(id.0)
        });
        if let Some(past) = past {
            entry.session.lock().take_past(past);
        }
    }

    /// The games of `home` that were in a break in segments from `since` to `first`, and what stands for them.
    fn replaced(
        &self,
        stand_ins: &dyn StandIns,
        entry: &Entry,
        home: &Home,
        (since, first): (SegmentNumber, SegmentNumber),
    ) -> Vec<(Pick, Span)> {
        let grid = &self.grid;
        let mut replaced: Vec<(Pick, Span)> = Vec::new();
        for (nth, key) in home.spec.games.iter().enumerate() {
            if home.spec.games[..nth].contains(key) {
                continue;
            }
            let pick = Pick { id: key.rsplit('/').next().unwrap_or_default().to_owned(), key: key.clone() };
            for its in self.games.breaks(key, grid.segment_time(since)..grid.segment_time(first)) {
                let from = nearest_segment(grid, its.starts_at).max(since);
                let until = its.ends_at.map_or(first, |end| nearest_segment(grid, end).min(first));
                if from < until {
                    let ask = BygoneAsk { tenant: &entry.tenant, game: (&pick.id, key), spec: &home.spec };
                    let (stand_in, _) = stand_ins.bygone(&ask);
                    replaced.push((pick.clone(), Span { from, until: Some(until), game: key.clone(), stand_in }));
                }
            }
        }
        replaced
    }

    fn is_past_made(&self, stand_ins: &dyn StandIns, entry: &Entry) -> bool {
        let replaced = entry.session.lock().replaced_before().to_vec();
        if replaced.is_empty() {
            return true;
        }
        let Some((_, home)) = self.first_shown(entry) else { return true };
        let is_made = |pick: &Pick| {
            let ask = BygoneAsk { tenant: &entry.tenant, game: (&pick.id, &pick.key), spec: &home.spec };
            stand_ins.bygone(&ask).1
        };
        // All of them are asked for: none is to wait for another.
        replaced.iter().filter(|pick| !is_made(pick)).count() == 0
    }
}
