//! Outputs: a game alone in a skin at an address that stays. While it is polled it has a session of its own, which everybody who polls it shares: that
//! lists what any session lists that shows the same, and its meter counts the output's seconds once, however many poll. Nobody polls: there is no session,
//! no mosaic is wanted and nothing is kept but the set's few lines. Numbers of segments are the grid's, so a playlist goes on where another session left it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::create::hash_of;
use super::registry::{Entry, IDEMPOTENCY_QUEUES, Sessions};
use super::rights::Rights;
use super::{ChangeSession, CreateSession, SessionError, Sounds};
use crate::assets::Skin;
use crate::market::{KeyTerms, Tier};
use crate::mosaic::GameKey;
use crate::outputs::{OutputSet, Outputs};
use crate::usage::OUTPUT_LABEL;

/// For whom an output is: what whoever asked for it by its address may have. Playlists under that address carry it, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputGrant {
    #[serde(rename = "t")]
    pub tenant: String,
    /// The id of its set.
    #[serde(rename = "s")]
    pub set: String,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub market: Option<String>,
    /// It was given without a key: for as long as its set is public.
    #[serde(rename = "p", default, skip_serializing_if = "std::ops::Not::not")]
    pub public: bool,
    /// What the key allowed; the market's tier comes on top of it.
    #[serde(rename = "k", default, skip_serializing_if = "Tier::is_open")]
    pub tier: Tier,
}

/// An output as it is polled.
#[derive(Clone, Debug)]
pub struct OutputWish {
    pub grant: OutputGrant,
    pub set: Arc<OutputSet>,
    /// Id of the game.
    pub game: String,
    pub skin: Arc<Skin>,
}

impl OutputWish {
    /// As the report calls it: `de/nyk-bos/red`, or without a market `nyk-bos/red`.
    fn name(&self) -> String {
        let market = self.grant.market.as_deref();
        [market, Some(&*self.game), Some(&*self.skin.id)].into_iter().flatten().collect::<Vec<_>>().join("/")
    }

    /// What tells it from every other output.
    fn key(&self, said: &str) -> Arc<str> {
        format!("{}/{}/{said}", self.game, self.skin.id).into()
    }
}

/// What an output is now, beside what its set and its address say.
struct Now {
    rights: Rights,
    game: GameKey,
    /// The sound that is the default.
    heard: String,
}

impl Sessions {
    /// The sets of outputs.
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// What stands in the addresses of an output's playlists.
    pub fn output_element(&self, wish: &OutputWish) -> String {
        self.paths.output(&wish.game, &wish.skin.id, &said(&wish.grant))
    }

    /// What such an element of an address says, if this service made it for this game and skin.
    pub fn output_granted(&self, game: &str, skin: &str, element: &str) -> Option<OutputGrant> {
        serde_json::from_str(&self.paths.said_of_output(game, skin, element)?).ok()
    }

    /// The token of the session that an output has while it is polled, which is begun, or brought to what the output is now.
    ///
    /// # Errors
    /// Those of making a session.
    pub async fn output(&self, wish: &OutputWish) -> Result<Arc<str>, SessionError> {
        let key = wish.key(&said(&wish.grant));
        let terms = KeyTerms { market: None, tier: wish.grant.tier.clone() };
        let (rights, rules) = self.granted(&wish.grant.tenant, wish.grant.market.clone(), &terms)?;
        if let Some(why) = rules.restricts(&wish.game) {
            let (id, market) = (wish.game.clone(), wish.grant.market.clone());
            return Err(SessionError::GameRestricted { id, why, market, allowed: Vec::new() });
        }
        let unknown = || SessionError::GameUnknown { id: wish.game.clone() };
        let info = self.games.find(&wish.grant.tenant, &wish.game).ok_or_else(unknown)?;
        // What a source has shows when its pictures come: the market's language is asked for again and again.
        let heard = rules.heard(&info);
        let now = Now { rights: Rights { output: Some(key.clone()), ..rights }, game: info.key, heard };
        if let Some(token) = self.as_it_is(wish, &now) {
            return Ok(token);
        }
        // Who polls first at the same time shares one session. It is an async lock, made to be held here.
        let queue = hash_of(&key) as usize % IDEMPOTENCY_QUEUES;
        let _turn = self.idempotency_queues[queue].lock().await;
        if let Some(token) = self.as_it_is(wish, &now) {
            return Ok(token);
        }
        // A session keeps its tier, and an output has its market's: where that is another one now, another session begins with the same mosaic, and the one
        // before goes idle. Ended, it would end the playlists of who polls at this moment.
        if let Some(entry) = self.running_output(&now) {
            // Its skin has other art, its set another layout, its game was made anew or speaks: the picture changes, the address does not.
            let change = ChangeSession {
                games: Some(vec![wish.game.clone()]),
                layout: Some(wish.set.layout.clone()),
                audio: Some(now.heard),
                skin: Some(Some(wish.skin.clone())),
                ..ChangeSession::default()
            };
            self.change(&entry.tenant, &entry.id, change).await?;
            return Ok(entry.token.clone());
        }
        let request = CreateSession {
            games: vec![wish.game.clone()],
            layout: Some(wish.set.layout.clone()),
            skin: Some(wish.skin.clone()),
            market: wish.grant.market.clone(),
            terms,
            labels: BTreeMap::from([(OUTPUT_LABEL.to_owned(), wish.name())]),
            ..CreateSession::default()
        };
        Ok(self.make(&wish.grant.tenant, request, Some(key)).await?.token.clone())
    }

    /// The session of an output, where it goes on. It has been seen: who is on the way to its playlists does not find it idle.
    fn running_output(&self, now: &Now) -> Option<Arc<Entry>> {
        let entry = self.shelf.read().by_output.get(now.rights.output.as_deref()?).cloned()?;
        let mut session = entry.session.lock();
        let goes_on = session.state.is_active() && session.rights == now.rights;
        if goes_on {
            session.seen(self.now_ms());
        }
        drop(session);
        goes_on.then_some(entry)
    }

    /// The token of the output's session, where that shows what the output is now.
    fn as_it_is(&self, wish: &OutputWish, now: &Now) -> Option<Arc<str>> {
        let entry = self.running_output(now)?;
        let session = entry.session.lock();
        let show = &session.show;
        let is_same = show.layout.id == wish.set.layout
            && show.audio == now.heard
            && show.games.iter().all(|pick| pick.key == now.game)
            && show.skin.as_ref().is_some_and(|skin| **skin == *wish.skin);
        is_same.then(|| entry.token.clone())
    }

    /// Text of an output's multivariant playlist, whose playlists lie under `element`.
    pub async fn output_multivariant(
        &self,
        token: &str,
        element: &str,
        sounds: Sounds,
        parts: bool,
    ) -> Result<String, SessionError> {
        self.multivariant_under(&format!("{element}/"), token, sounds, parts, None).await
    }
}

fn said(grant: &OutputGrant) -> String {
    // Texts and numbers: this cannot fail.
    serde_json::to_string(grant).unwrap_or_default()
}
