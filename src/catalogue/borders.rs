//! Where the games' sources may lead, by who brought them; and that none takes another's port.

use std::collections::HashMap;

use super::contract::{CatalogueError, GameSpec};
use super::games::Catalogue;
use crate::config::{Config, PictureLimits, SourceUri};
use crate::reach::{Claims, Own, Reach, Taken};

/// Where sources may lead, of each owner.
#[derive(Clone, Debug)]
pub struct Borders {
    /// Of the configuration's games.
    shared: Reach,
    of_tenants: HashMap<String, Reach>,
    /// Of a tenant that is not in the configuration any more.
    others: Reach,
    pub limits: PictureLimits,
}

impl Borders {
    /// As `config` has it; `own` is where the service listens.
    pub fn new(config: &Config, own: Own) -> Self {
        let sources = &config.sources;
        let others = Reach::new(sources.rules.clone(), own);
        let trusting = || Reach::trusting(sources.rules.clone(), own);
        let tenants = config.tenants.iter();
        Self {
            shared: if sources.trust_configuration { trusting() } else { others.clone() },
            of_tenants: tenants.map(|t| (t.id.clone(), Reach::new(t.sources.clone(), own))).collect(),
            others,
            limits: sources.limits,
        }
    }

    /// Without any rule: for tests and benches.
    pub fn none() -> Self {
        let reach = Reach::of_ones_own();
        Self { shared: reach.clone(), of_tenants: HashMap::new(), others: reach, limits: PictureLimits::default() }
    }

    /// Of a tenant, or with `None` of the configuration.
    pub fn of(&self, owner: Option<&str>) -> &Reach {
        owner.map_or(&self.shared, |tenant| self.of_tenants.get(tenant).unwrap_or(&self.others))
    }
}

impl Catalogue {
    /// The sources of a game of `tenant`, checked: whether they are any, may lead where they do, and take nothing of another's.
    ///
    /// # Errors
    /// [`CatalogueError::SourceInvalid`], [`CatalogueError::SourceForbidden`], [`CatalogueError::SourceInUse`].
    pub(super) fn admitted(&self, tenant: &str, spec: &GameSpec) -> Result<Vec<SourceUri>, CatalogueError> {
        let sources = spec.checked_sources()?;
        let reach = self.borders().of(Some(tenant));
        for (index, source) in sources.iter().enumerate() {
            let denied =
                |error: crate::reach::Denied| CatalogueError::SourceForbidden { index, detail: error.to_string() };
            reach.check(source.url()).map_err(denied)?;
        }
        self.unclaimed(tenant, spec, &sources)?;
        Ok(sources)
    }

    /// Whether nobody else listens where these sources do.
    ///
    /// # Errors
    /// [`CatalogueError::SourceInUse`].
    pub(super) fn unclaimed(&self, tenant: &str, spec: &GameSpec, sources: &[SourceUri]) -> Result<(), CatalogueError> {
        let mut claims = Claims::default();
        self.each_game(&mut |owner, game| {
            // What cannot be read does not run.
            let theirs = game.checked_sources().unwrap_or_default();
            claims.add(owner, &game.id, theirs.iter().map(SourceUri::url));
        });
        for (index, source) in sources.iter().enumerate() {
            claims.check(Some(tenant), &spec.id, source.url()).map_err(|Taken { by }| {
                let by = by.map_or_else(|| "another's game".to_owned(), |game| format!("game {game:?}"));
                CatalogueError::SourceInUse { index, detail: format!("{by} listens there already") }
            })?;
        }
        Ok(())
    }
}
