//! What a session may have: the rules of the market that it was made in, and its tier. The tier is the session's for good, as its price hangs on it; what
//! else its market says is asked for anew each time, so that a right that is withdrawn is withdrawn at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::follow::Reload;
use super::model::{Home, Pick, Show};
use super::registry::{Entry, Offer, Sessions};
use super::stand_ins::{Known, Other, Otherwise};
use super::{GameInfo, SessionError};
use crate::frame::{CodedSound, SoundRole};
use crate::market::{Feature, GameRights, KeyTerms, Market, Markets, Restriction, Tier, Viewer, speaks};
use crate::mosaic::{GameKey, MosaicId};
use crate::timeline::SegmentNumber;
use crate::track::{Held, Runs, SoundKey, is_rights_card, is_stand_in, split_sound_key};

/// What a session was made with. The default is that of sessions without a market, whose key allows everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rights {
    pub market: Option<String>,
    /// The lower of its market's and of its key's.
    pub tier: Tier,
    /// Where it is, as who asked for it said: the code of a country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What it is watched on, likewise, as its operator calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_class: Option<String>,
    /// The output that it is of, as [`super::outputs`] calls it; `None`: a viewer's.
    #[serde(default)]
    pub output: Option<Arc<str>>,
}

/// The rules of a session's market as they are now.
#[derive(Clone, Debug)]
pub(super) enum Rules {
    /// It has no market.
    Free,
    Of(Arc<Market>),
    /// Its market was taken away: what it shows may go on, and nothing else may come.
    Gone,
}

impl Rules {
    pub fn market(&self) -> Option<&Arc<Market>> {
        match self {
            Self::Of(market) => Some(market),
            Self::Free | Self::Gone => None,
        }
    }

    /// Whether the game that the tenant calls `id` may be shown.
    pub fn shows(&self, id: &str) -> bool {
        self.restricts(id).is_none()
    }

    /// Why the game that the tenant calls `id` may not be shown.
    pub fn restricts(&self, id: &str) -> Option<Restriction> {
        match self {
            Self::Free => None,
            Self::Of(market) => (!market.shows(id)).then_some(Restriction::NotInMarket),
            Self::Gone => Some(Restriction::MarketGone),
        }
    }

    /// Whether a session that is in `region` may be given games. Of an output nobody knows where it is seen.
    ///
    /// # Errors
    /// [`SessionError::RegionRestricted`].
    pub fn check_region(&self, rights: &Rights) -> Result<(), SessionError> {
        let Self::Of(market) = self else { return Ok(()) };
        let Rights { region, output, .. } = rights;
        if output.is_some() || market.reaches(region.as_deref()) {
            return Ok(());
        }
        let allowed = market.regions.clone().unwrap_or_default();
        Err(SessionError::RegionRestricted { region: region.clone(), market: market.id.clone(), allowed })
    }

    /// The language of text that is shown where nobody has chosen one.
    pub fn text_language(&self) -> Option<&str> {
        self.market()?.text_language.as_deref()
    }

    /// Of a game's sounds the one that is heard where nobody has chosen one, as viewers name it: in the market's language, if the game has it, else its
    /// main one.
    pub fn heard(&self, info: &GameInfo) -> String {
        let main = || info.id.clone();
        let Some(wanted) = self.market().and_then(|market| market.sound_language.as_deref()) else { return main() };
        let is_met = |told: Option<&str>| told.is_some_and(|told| speaks(wanted, told));
        if is_met(info.language.as_deref()) {
            return main();
        }
        let programmes = info.sounds.iter().filter(|sound| sound.role == SoundRole::Programme);
        let mut met = programmes.filter(|sound| is_met(sound.language.as_deref()));
        met.next().map_or_else(main, |sound| format!("{}/{}", info.id, sound.id))
    }
}

impl Rights {
    /// As games see it.
    pub fn viewer(&self) -> Viewer<'_> {
        Viewer {
            market: self.market.as_deref(),
            region: self.region.as_deref(),
            device_class: self.device_class.as_deref(),
            is_anywhere: self.output.is_some(),
        }
    }
}

impl Sessions {
    /// Why the game that the tenant calls `id` and the service `key` may not be shown at `at_ms` to who has `rights`; `rules` are those of its market.
    pub(super) fn restriction(
        &self,
        (id, key): (&str, &GameKey),
        rights: &Rights,
        rules: &Rules,
        at_ms: i64,
    ) -> Option<Restriction> {
        let of_game = || self.games.rights(key)?.restricts(&rights.viewer(), at_ms);
        rules.restricts(id).or_else(of_game)
    }

    /// # Errors
    /// [`SessionError::GameRestricted`] for the first of `games` that may not be shown to who has `rights`.
    pub(super) fn check_games(&self, games: &[Pick], rights: &Rights, rules: &Rules) -> Result<(), SessionError> {
        let now_ms = self.now_ms();
        for Pick { id, key } in games {
            let Some(why) = self.restriction((id, key), rights, rules, now_ms) else { continue };
            let of_game = rules.shows(id).then(|| self.games.rights(key)).flatten();
            let allowed = of_game.map(|its| its.allowed(why).to_vec()).unwrap_or_default();
            return Err(SessionError::GameRestricted { id: id.clone(), why, market: rights.market.clone(), allowed });
        }
        Ok(())
    }

    /// The first segment of a game that may be shown from `ms` on: whole segments, and none that is not allowed in part.
    fn first_from(&self, ms: i64) -> SegmentNumber {
        self.segment_at(ms.saturating_sub(1)) + 1
    }

    /// The first segment that may be shown of all of `games`, as far as that hangs on when their rights begin.
    pub(super) fn lit_from<'a>(&self, games: impl IntoIterator<Item = &'a GameKey>) -> SegmentNumber {
        let first = |key| Some(self.first_from(self.games.rights(key)?.from_ms?));
        games.into_iter().filter_map(first).max().unwrap_or(0)
    }

    /// The oldest segment that a session may list: of what was played before it showed anything it lists what it showed first, and of that nothing from
    /// before the rights began. What it showed itself was allowed then.
    pub(super) fn past_from(&self, entry: &Entry) -> SegmentNumber {
        let (first, created) = (self.first_shown(entry), self.segment_at(entry.session.lock().created_ms));
        // What it showed itself was shown to it from then on: what is older was there already.
        first.map_or(0, |(from, home)| self.lit_from(&home.spec.games).min(from.max(created)))
    }

    /// The segment from which on what `entry` lists was shown to it, and what it was asked for then.
    pub(super) fn first_shown(&self, entry: &Entry) -> Option<(SegmentNumber, Home)> {
        let mosaic = entry.session.lock().first_mosaic().clone();
        let shows = self.mosaics.shows(&MosaicId(mosaic.clone()))?;
        let session = entry.session.lock();
        // It may have forgotten it meanwhile.
        (*session.first_mosaic() == mosaic).then(|| session.first_shown(shows)).flatten()
    }

    /// What there is of a sound that may be heard: nothing from before the rights of its game began.
    pub(super) fn sound_lit(&self, sound: &SoundKey) -> Held {
        let (game, _) = split_sound_key(sound);
        let (held, from) = (self.games.sound_held(sound), self.lit_from([&game.into()]));
        // Where they are yet to begin a card stands for it, and what was listed before that stays.
        if from == 0 || from > self.running() {
            return held;
        }
        Held { whole: held.whole.and(&Runs::from(from..=SegmentNumber::MAX)), ..held }
    }

    /// Of the games of `show` that may not be shown to who has `rights`, their cards and from when to when.
    pub(super) fn restricted(&self, rights: &Rights, rules: &Rules, show: &Show, known: &Known) -> Vec<Otherwise> {
        let mut restricted: Vec<Otherwise> = Vec::new();
        let mut seen: BTreeSet<&GameKey> = BTreeSet::new();
        for Pick { id, key } in show.games.iter().filter(|pick| seen.insert(&pick.key)) {
            let card = |why| Other::Restricted(key.clone(), self.games.card(key, why));
            let limits = known.limited.get(key);
            let of_game = || limits?.restricts_ever(&rights.viewer());
            // A market that is gone withdraws nothing.
            let of_market = rules.restricts(id).filter(|why| *why != Restriction::MarketGone);
            if let Some(why) = of_market.or_else(of_game) {
                restricted.push(Otherwise { due: 0, from: 0, until: None, what: card(why) });
                continue;
            }
            let Some(GameRights { from_ms, until_ms, .. }) = limits.map(|limits| &**limits) else { continue };
            let begins = from_ms.map(|ms| self.first_from(ms));
            if let Some(begins) = begins.filter(|begins| *begins > self.running()) {
                restricted.push(Otherwise { due: 0, from: 0, until: Some(begins), what: card(Restriction::NotYet) });
            }
            if let Some(ends) = until_ms.map(|ms| self.segment_at(ms)) {
                restricted.push(Otherwise { due: ends, from: ends, until: None, what: card(Restriction::NoLonger) });
            }
        }
        restricted
    }

    /// Whether a game may be told of to who is in `market` and `region` with `device_class`, as far as any is said.
    pub fn may_pick(&self, tenant: &str, id: &str, viewer: &Viewer) -> bool {
        let Some(rights) = self.games.find(tenant, id).and_then(|info| self.games.rights(&info.key)) else {
            return true;
        };
        rights.may_be_picked(viewer, self.now_ms())
    }

    /// Whether `viewer` may be shown it now: who does not say where they are, nothing that depends on it.
    pub fn may_be_shown(&self, tenant: &str, id: &str, viewer: &Viewer) -> bool {
        let rights = self.games.find(tenant, id).and_then(|info| self.games.rights(&info.key));
        rights.is_none_or(|rights| rights.restricts(viewer, self.now_ms()).is_none())
    }

    /// Whether a key of `terms` may have to do with a session: not with one that has more than it could have made.
    ///
    /// # Errors
    /// [`SessionError::SessionUnknown`].
    pub fn check_terms(&self, tenant: &str, id: &str, terms: &KeyTerms) -> Result<(), SessionError> {
        let Some(entry) = self.entry(tenant, id).filter(|_| *terms != KeyTerms::default()) else { return Ok(()) };
        let session = entry.session.lock();
        let bound = Tier { max_height: session.max_height, features: None };
        let tier = session.rights.tier.and(&bound);
        let is_its = terms.market.is_none() || terms.market == session.rights.market;
        if is_its && tier.and(&terms.tier) == tier { Ok(()) } else { Err(SessionError::SessionUnknown) }
    }

    /// The markets that sessions can be made in.
    pub fn markets(&self) -> &Markets {
        &self.markets
    }

    /// The market that a session would be made in that is asked for in `asked` with a key of `terms`; `None` for none.
    ///
    /// # Errors
    /// [`SessionError::MarketUnknown`], [`SessionError::MarketForbidden`].
    pub fn market_for(
        &self,
        tenant: &str,
        asked: Option<String>,
        terms: &KeyTerms,
    ) -> Result<Option<Arc<Market>>, SessionError> {
        let id = match (terms.market.clone(), asked) {
            (Some(own), Some(asked)) if own != asked => {
                return Err(SessionError::MarketForbidden { id: asked, own });
            }
            (own, asked) => own.or(asked),
        };
        let Some(id) = id else { return Ok(None) };
        let found = self.markets.find(tenant, &id);
        let there = || self.markets.all(tenant).into_iter().map(|its| its.market.id).collect();
        found.map(Some).ok_or_else(|| SessionError::MarketUnknown { there: there(), id })
    }

    /// What a session may have that is asked for in the market `asked` with a key of `terms`.
    pub(super) fn granted(
        &self,
        tenant: &str,
        asked: Option<String>,
        terms: &KeyTerms,
    ) -> Result<(Rights, Rules), SessionError> {
        let Some(market) = self.market_for(tenant, asked, terms)? else {
            return Ok((Rights { tier: terms.tier.clone(), ..Rights::default() }, Rules::Free));
        };
        let tier = terms.tier.and(&market.tier);
        Ok((Rights { market: Some(market.id.clone()), tier, ..Rights::default() }, Rules::Of(market)))
    }

    /// The rules of a session with `rights` as they are now.
    pub(super) fn rules(&self, tenant: &str, rights: &Rights) -> Rules {
        let Some(id) = &rights.market else { return Rules::Free };
        self.markets.find(tenant, id).map_or(Rules::Gone, Rules::Of)
    }

    /// What is heard of `game` where nobody has chosen anything.
    pub(super) fn heard_by_default(&self, tenant: &str, game: &Pick, rules: &Rules) -> String {
        let info = self.games.find(tenant, &game.id).filter(|info| info.key == game.key);
        info.map_or_else(|| game.id.clone(), |info| rules.heard(&info))
    }

    /// The games that a session's playlists may name: those that its market allows, and what it shows.
    pub(super) fn games_for(&self, entry: &Entry, picks: &[Pick], rules: &Rules) -> Vec<GameInfo> {
        let mut all = self.games.all(&entry.tenant);
        let (rights, now_ms) = (entry.session.lock().rights.clone(), self.now_ms());
        let may_show = |game: &GameInfo| self.restriction((&game.id, &game.key), &rights, rules, now_ms).is_none();
        all.retain(|game| picks.iter().any(|pick| pick.key == game.key) || may_show(game));
        all
    }

    /// `reload`, as far as the session's tier goes.
    pub(super) fn within_tier(&self, entry: &Entry, reload: Reload) -> Reload {
        match entry.session.lock().rights.tier.has(Feature::LowLatency) {
            true => reload,
            false => Reload { parts: false, part: None, ..reload },
        }
    }

    /// Whether the session `token` is offered `rendition`. Everybody's addresses are not asked: who was given none cannot make one.
    pub(super) fn may_see(&self, rendition: &str, token: Option<&str>) -> bool {
        let Some(token) = token else { return true };
        let Ok(entry) = self.entry_of_token(token) else { return false };
        let offer = Offer::of(&entry.session.lock());
        self.offered(offer).any(|offered| offered.name == rendition)
    }

    /// Whether the session `token` may hear `sound`, likewise.
    pub(super) fn may_hear(&self, sound: &SoundKey, token: Option<&str>) -> bool {
        let Some(token) = token else { return true };
        let Ok(entry) = self.entry_of_token(token) else { return false };
        let (game, track) = split_sound_key(sound);
        let (rights, is_shown) = {
            let session = entry.session.lock();
            let is_shown = session.shown_games().iter().any(|(_, games)| games.iter().any(|key| **key == *game));
            (session.rights.clone(), is_shown)
        };
        let form = track.and_then(|track| track.parse::<CodedSound>().ok());
        if form.is_some_and(CodedSound::is_dolby) && !rights.tier.has(Feature::Dolby) {
            return false;
        }
        // A key is the game's id, behind its tenant's where it is a tenant's own; ids have no slash.
        let id = game.rsplit('/').next().unwrap_or_default();
        // What stands in for games is known by name to those alone to whom it was shown.
        let rules = self.rules(&entry.tenant, &rights);
        let stands_in = is_stand_in(game) || is_rights_card(game);
        is_shown || stands_in || self.restriction((id, &game.into()), &rights, &rules, self.now_ms()).is_none()
    }
}
