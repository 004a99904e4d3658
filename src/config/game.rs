//! Games that the configuration defines.

use std::collections::BTreeMap;

use super::names::{check_id, check_labels, check_title};
use super::reader::{Table, Value};
use super::{BreakPolicy, SourceUri, Tenant, breaks, rights};
use crate::market::GameRights;
use crate::reach::Claims;

/// Most sources of a game: the primary and its backups.
pub const MAX_SOURCES: usize = 8;

/// Farthest that what a game's source claims may be shifted: a day either way.
pub const MAX_OFFSET_MS: i32 = 86_400_000;

/// A live programme a viewer can pick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Game {
    /// Unique among the games of the configuration.
    pub id: String,
    pub title: String,
    /// Primary first; 1 to [`MAX_SOURCES`].
    pub sources: Vec<SourceUri>,
    /// Ids of the tenants that may show it; `None` means all.
    pub tenants: Option<Vec<String>>,
    pub labels: BTreeMap<String, String>,
    /// `None`: as all.
    pub break_policy: Option<BreakPolicy>,
    /// How much later than its source claims its pictures are captured; negative: earlier.
    pub offset_ms: i32,
    /// Where and when it may be shown.
    pub rights: GameRights,
}

impl Game {
    /// Whether tenant `tenant` may show it.
    pub fn is_for(&self, tenant: &str) -> bool {
        self.tenants.as_ref().is_none_or(|ids| ids.iter().any(|id| id == tenant))
    }
}

pub(super) fn read_all(root: &mut Table, tenants: &[Tenant]) -> Vec<Game> {
    let mut games: Vec<Game> = Vec::new();
    let mut claims = Claims::default();
    for item in root.items("games", "write each as [[games]]") {
        let Some(game) = read_one(&item, tenants) else { continue };
        if games.iter().any(|g| g.id == game.id) {
            item.refuse(format!("there is a game {:?} already", game.id), "each id once is allowed");
            continue;
        }
        for source in &game.sources {
            if let Err(taken) = claims.check(None, &game.id, source.url()) {
                let by = taken.by.unwrap_or_default();
                item.refuse(
                    format!("game {by:?} listens where its source {source} does"),
                    "each port for one game is allowed, and a multicast group for several",
                );
            }
        }
        claims.add(None, &game.id, game.sources.iter().map(SourceUri::url));
        games.push(game);
    }
    games
}

fn read_one(item: &Value, tenants: &[Tenant]) -> Option<Game> {
    let mut table = item.table()?;
    let id = table
        .required("id", "a short name such as \"nyk-bos\" is needed")
        .and_then(|v| v.parsed("", |text| check_id(text).map(|()| text.to_owned())));
    let title = table
        .required("title", "a text such as \"Knicks at Celtics\" is needed")
        .and_then(|v| v.parsed("", |text| check_title(text).map(|()| text.to_owned())));
    let sources = table.required("sources", SourceUri::ALLOWED).map(|v| read_sources(&v)).unwrap_or_default();
    let for_tenants = table.optional("tenants").map(|list| read_tenants(&list, tenants));
    let labels = read_labels(&mut table);
    let break_policy = breaks::read(&mut table);
    let offset_ms = table.optional("offset_ms").and_then(|v| v.signed(MAX_OFFSET_MS, "milliseconds")).unwrap_or(0);
    let rights = table.table("rights").map(rights::read).unwrap_or_default();
    table.finish();
    Some(Game { id: id?, title: title?, sources, tenants: for_tenants, labels, break_policy, offset_ms, rights })
}

fn read_sources(list: &Value) -> Vec<SourceUri> {
    let items = list.items("write [\"…\"], the primary first");
    if items.is_empty() || items.len() > MAX_SOURCES {
        list.refuse(format!("there are {} sources", items.len()), &format!("1 to {MAX_SOURCES} are allowed"));
    }
    items.iter().filter_map(|item| item.parsed("", str::parse::<SourceUri>)).collect()
}

fn read_tenants(list: &Value, tenants: &[Tenant]) -> Vec<String> {
    let items = list.items("write [\"…\"], or leave it out to show the game to all tenants");
    let known = tenants.iter().map(|t| format!("{:?}", t.id)).collect::<Vec<_>>().join(", ");
    let check = |item: &Value| {
        let id = item.text("the id of a tenant is allowed")?;
        if !tenants.iter().any(|t| t.id == id) {
            item.refuse(format!("there is no tenant {id:?}"), &format!("there are {known}"));
        }
        Some(id.to_owned())
    };
    items.iter().filter_map(check).collect()
}

fn read_labels(table: &mut Table) -> BTreeMap<String, String> {
    let Some(value) = table.optional("labels") else { return BTreeMap::new() };
    let Some(inner) = value.table() else { return BTreeMap::new() };
    let text = |(name, value): (String, Value)| Some((name, value.text("a text is allowed")?.to_owned()));
    let labels: BTreeMap<String, String> = inner.entries().into_iter().filter_map(text).collect();
    if let Err(error) = check_labels(&labels) {
        value.refuse(error.to_string(), "");
    }
    labels
}
