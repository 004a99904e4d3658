//! Skins: which asset is in which slot of art, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AssetError, AssetId, Assets, Known, MOST_SKINS};
use crate::layout::Layout;

/// Where a skin comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SkinOrigin {
    /// The configuration file: read-only here.
    Config,
    /// Made over the API.
    #[default]
    Operator,
}

/// A named set of art.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Skin {
    pub id: String,
    /// Assets by the names of slots of art: `{"frame": "9f86d0…"}`.
    #[schema(value_type = BTreeMap<String, String>)]
    pub art: BTreeMap<String, AssetId>,
    #[serde(default)]
    pub origin: SkinOrigin,
}

impl Skin {
    /// What it has for `layout`, one for each name of art; nothing where it has none of them.
    pub fn art_of(&self, layout: &Layout) -> Vec<Option<AssetId>> {
        let art: Vec<Option<AssetId>> = layout.art_names().iter().map(|name| self.art.get(*name).copied()).collect();
        if art.iter().all(Option::is_none) { Vec::new() } else { art }
    }
}

impl Assets {
    /// A tenant's skins, ordered by id.
    pub fn skins(&self, tenant: &str) -> Vec<Arc<Skin>> {
        let known = self.known.read();
        known.skins.iter().filter(|((of, _), _)| &**of == tenant).map(|(_, skin)| skin.clone()).collect()
    }

    pub fn skin(&self, tenant: &str, id: &str) -> Option<Arc<Skin>> {
        self.known.read().skins.get(&(tenant.into(), id.to_owned())).cloned()
    }

    /// Makes a tenant's skin be as given; true where there was none.
    ///
    /// # Errors
    /// [`AssetError::Unknown`] for art that the tenant has not; [`AssetError::SkinReadOnly`], [`AssetError::Count`], [`AssetError::Disk`].
    pub fn put_skin(&self, tenant: &str, skin: Skin) -> Result<bool, AssetError> {
        let tenant: Arc<str> = tenant.into();
        let _change = self.changing.lock();
        self.known.read().check_skin(&tenant, &skin)?;
        if skin.origin == SkinOrigin::Operator {
            self.folder()?.write_skin(&tenant, &skin.id, &skin)?;
        }
        let skin = Arc::new(skin);
        let is_new = self.known.write().skins.insert((tenant, skin.id.clone()), skin.clone()).is_none();
        self.followers.lock().iter().for_each(|follower| follower(&skin));
        Ok(is_new)
    }

    /// `follower` is told of each skin that there is, and of each that is put from now on: what it shows can be made before anybody asks for it. It has to
    /// be quick, and asks nothing of skins.
    pub fn follow_skins(&self, follower: impl Fn(&Skin) + Send + Sync + 'static) {
        let _change = self.changing.lock();
        let there: Vec<Arc<Skin>> = self.known.read().skins.values().cloned().collect();
        there.iter().for_each(|skin| follower(skin));
        self.followers.lock().push(Box::new(follower));
    }

    /// Forgets a skin. Sessions that show it go on doing so.
    ///
    /// # Errors
    /// [`AssetError::SkinUnknown`], [`AssetError::SkinReadOnly`], [`AssetError::Disk`].
    pub fn delete_skin(&self, tenant: &str, id: &str) -> Result<(), AssetError> {
        let _change = self.changing.lock();
        match self.skin(tenant, id) {
            None => Err(AssetError::SkinUnknown(id.chars().take(80).collect())),
            Some(skin) if skin.origin == SkinOrigin::Config => Err(AssetError::SkinReadOnly(skin.id.clone())),
            Some(_) => {
                self.folder()?.remove_skin(tenant, id)?;
                self.known.write().skins.remove(&(tenant.into(), id.to_owned()));
                Ok(())
            }
        }
    }
}

impl Known {
    fn check_skin(&self, tenant: &Arc<str>, skin: &Skin) -> Result<(), AssetError> {
        let before = self.skins.get(&(tenant.clone(), skin.id.clone()));
        if skin.origin == SkinOrigin::Operator && before.is_some_and(|before| before.origin == SkinOrigin::Config) {
            return Err(AssetError::SkinReadOnly(skin.id.clone()));
        }
        let count = self.skins.keys().filter(|(of, _)| of == tenant).count();
        if before.is_none() && count >= MOST_SKINS {
            return Err(AssetError::Count { what: "skins", count, limit: MOST_SKINS });
        }
        match skin.art.values().find(|asset| !self.assets.contains_key(&(tenant.clone(), **asset))) {
            Some(unknown) => Err(AssetError::Unknown(*unknown)),
            None => Ok(()),
        }
    }
}
