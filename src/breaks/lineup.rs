//! What a break is filled with, as it is kept: a service that begins anew in the break goes on with it. Who asked again would show again what was shown, and tell
//! one half of a play-out with one decision's addresses and the other half with another's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::asking::{Asking, Chosen};
use super::stand_in::{Placed, SeenFrom, StandIn};
use super::{Breaks, FORGOTTEN_AFTER_MS, State};
use crate::decisions::{ChosenAd, Values};
use crate::mosaic::GameKey;
use crate::store::{LineupRow, StoreError};

/// Bytes of a lineup that is kept at most: tens of thousands of sessions may have one each, as long as their servers like.
const MOST_BYTES: usize = 64 << 10;

/// See the module.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineup {
    values: Values,
    ads: Vec<KeptAd>,
    placed: Vec<KeptPlace>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptAd {
    ad: ChosenAd,
    /// It has its place, or will have none.
    is_done: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptPlace {
    /// Which of the ads it is.
    nth: usize,
    from: u64,
    segments: u64,
    /// From which segment on it is seen in each tile, by the name of its track. Absent in what a version kept that told nothing of what the process before put
    /// down.
    #[serde(default)]
    seen_from: BTreeMap<String, u64>,
}

impl Lineup {
    fn of(asking: &Asking, stand_in: &StandIn) -> Option<Self> {
        let ads = asking.chosen.as_ref()?.iter();
        let all_seen = stand_in.seen_from();
        let seen_from = |at: usize| {
            let its = all_seen.iter().filter(|((_, of), _)| *of == at);
            its.map(|((track, _), from)| (track.clone(), *from)).collect()
        };
        let placed = stand_in.placed().iter().enumerate();
        Some(Self {
            values: asking.values.clone(),
            ads: ads.map(|its| KeptAd { ad: (*its.ad).clone(), is_done: its.is_done }).collect(),
            placed: placed
                .map(|(at, its)| KeptPlace {
                    nth: its.nth,
                    from: its.from,
                    segments: its.segments,
                    seen_from: seen_from(at),
                })
                .collect(),
        })
    }
}

#[cfg(test)]
impl Lineup {
    /// One advertisement in its place, and one that waits.
    pub fn one(ad: ChosenAd, from: u64, segments: u64) -> Self {
        let values = Values { chance: 7, transaction: "t".into(), ..Values::default() };
        let ads = vec![KeptAd { ad: ad.clone(), is_done: true }, KeptAd { ad, is_done: false }];
        Self { values, ads, placed: vec![KeptPlace { nth: 0, from, segments, seen_from: BTreeMap::new() }] }
    }
}

impl Breaks {
    /// Reads what the last process had decided.
    ///
    /// # Errors
    /// Where the store cannot be asked.
    pub async fn take_up(&self) -> Result<(), StoreError> {
        let oldest_ms = self.now_ms() - FORGOTTEN_AFTER_MS;
        let rows = self.settings.lineups.lineups().await?;
        let read = |row: LineupRow| match serde_json::from_str(&row.lineup) {
            Ok(lineup) => Some((GameKey::from(row.name), lineup)),
            Err(error) => {
                tracing::warn!(%error, "what was decided for a break cannot be read: it is decided on anew");
                None
            }
        };
        let kept: HashMap<GameKey, Lineup> =
            rows.into_iter().filter(|row| row.decided_ms >= oldest_ms).filter_map(read).collect();
        self.state.lock().kept = kept;
        Ok(())
    }

    /// What the last process had decided for `key`, if it had.
    pub(super) fn asked_before(self: &Arc<Self>, state: &mut State, key: &GameKey) -> Option<Asking> {
        let Lineup { values, ads, placed } = state.kept.remove(key)?;
        let tenant = state.stand_ins.get(key)?.tenant.clone();
        let chosen: Vec<Chosen> = ads
            .into_iter()
            .map(|KeptAd { ad, is_done }| {
                let ad = Arc::new(ad);
                // Of what had no place it is not known whether it was told.
                Chosen { creative: self.creative_of(state, &tenant, &ad), ad, is_done, is_told: false }
            })
            .collect();
        let its = state.stand_ins.get_mut(key)?;
        let mut all_seen = SeenFrom::new();
        for KeptPlace { nth, from, segments, seen_from } in placed {
            let Some(Chosen { ad, creative, .. }) = chosen.get(nth) else { continue };
            let at = its.placed().len();
            all_seen.extend(seen_from.into_iter().map(|(track, from)| ((track, at), from)));
            its.place(Placed { from, segments, creative: creative.clone(), ad: ad.clone(), nth });
        }
        its.take_up(all_seen);
        let silent = its.placed().iter().map(|placed| placed.nth).collect();
        Some(Asking { chosen: Some(chosen), values, silent, is_unkept: false })
    }

    /// Keeps what has changed since it was kept. What the store does not take is kept later.
    pub(super) async fn keep_lineups(&self) {
        let now_ms = self.now_ms();
        let unkept: Vec<LineupRow> = {
            let State { asking, stand_ins, .. } = &mut *self.state.lock();
            let unkept = asking.iter_mut().filter(|(_, asking)| asking.is_unkept);
            unkept
                .filter_map(|(key, asking)| {
                    asking.is_unkept = false;
                    let lineup = serde_json::to_string(&Lineup::of(asking, stand_ins.get(key)?)?).ok()?;
                    if lineup.len() > MOST_BYTES {
                        tracing::warn!(
                            bytes = lineup.len(),
                            most = MOST_BYTES,
                            "what was decided for a break is too much to be kept"
                        );
                        return None;
                    }
                    Some(LineupRow { name: key.to_string(), decided_ms: now_ms, lineup })
                })
                .collect()
        };
        for row in unkept {
            let key = GameKey::from(row.name.clone());
            if let Err(error) = self.settings.lineups.put_lineup(row).await {
                tracing::debug!(%error, "what was decided for a break waits until the store takes it");
                if let Some(asking) = self.state.lock().asking.get_mut(&key) {
                    asking.is_unkept = true;
                }
            }
        }
        if let Err(error) = self.settings.lineups.forget_lineups(now_ms - FORGOTTEN_AFTER_MS).await {
            tracing::debug!(%error, "old decisions are kept a little longer");
        }
    }
}
