//! Taking files in, and letting them go.

use std::io;
use std::sync::Arc;

use super::check;
use super::draws::{Art, Checked, Stop};
use super::files::Folder;
use super::film::{self, Found};
use super::{Asset, AssetError, AssetId, AssetState, AssetType, Assets, Known, MOST_ASSETS, Skin, SkinOrigin};
use crate::package;

impl Known {
    pub(super) fn read(folder: &Folder) -> io::Result<Self> {
        let mut known = Self::default();
        for tenant in folder.tenants()? {
            let of: Arc<str> = tenant.as_str().into();
            for asset in folder.assets::<Asset>(&tenant)? {
                known.assets.insert((of.clone(), asset.id), asset);
            }
            for skin in folder.skins::<Skin>(&tenant)? {
                // Those of the configuration are never on the disk.
                let skin = Skin { origin: SkinOrigin::Operator, ..skin };
                known.skins.insert((of.clone(), skin.id.clone()), Arc::new(skin));
            }
        }
        Ok(known)
    }

    fn check_room(&self, tenant: &str, bytes: u64, limit: u64) -> Result<(), AssetError> {
        let own = || self.assets.iter().filter(|((of, _), _)| &**of == tenant);
        let (count, taken) = (own().count(), own().map(|(_, asset)| asset.bytes).sum::<u64>());
        if count >= MOST_ASSETS {
            return Err(AssetError::Count { what: "assets", count, limit: MOST_ASSETS });
        }
        if taken + bytes > limit { Err(AssetError::Full { bytes: taken, limit }) } else { Ok(()) }
    }
}

impl Assets {
    /// A tenant's assets, ordered by id.
    pub fn list(&self, tenant: &str) -> Vec<Asset> {
        let known: Vec<Asset> = {
            let known = self.known.read();
            known.assets.iter().filter(|((of, _), _)| &**of == tenant).map(|(_, asset)| asset.clone()).collect()
        };
        known.into_iter().map(|asset| self.as_far_as_it_is(asset)).collect()
    }

    pub fn get(&self, tenant: &str, id: &AssetId) -> Option<Asset> {
        let known = self.known.read().assets.get(&(tenant.into(), *id)).cloned();
        known.map(|asset| self.as_far_as_it_is(asset))
    }

    fn as_far_as_it_is(&self, asset: Asset) -> Asset {
        Asset { loops: self.loops_of(&asset.id), ..asset }
    }

    /// The file of an asset as it was sent, and what it is. Takes as long as the disk does.
    ///
    /// # Errors
    /// [`AssetError::Unknown`], [`AssetError::Disk`].
    pub fn file(&self, tenant: &str, id: &AssetId) -> Result<(AssetType, Vec<u8>), AssetError> {
        let asset = self.get(tenant, id).ok_or(AssetError::Unknown(*id))?;
        Ok((asset.kind, self.folder()?.read(tenant, id)?))
    }

    /// [`Assets::add_until`] without a stop.
    ///
    /// # Errors
    /// Its.
    pub fn add(&self, tenant: &str, bytes: &[u8], given: Option<&str>) -> Result<(Asset, bool), AssetError> {
        self.add_until(tenant, bytes, given, &Stop::default())
    }

    /// Checks a file and keeps it; true where the tenant had it not. `given` is the media type that it was sent as. Takes as long as reading it:
    /// not for threads that serve.
    ///
    /// # Errors
    /// What is wrong with it; [`AssetError::Count`], [`AssetError::Full`], [`AssetError::Disk`]; [`AssetError::Gone`] where `stop` came before it was checked.
    pub fn add_until(
        &self,
        tenant: &str,
        bytes: &[u8],
        given: Option<&str>,
        stop: &Stop,
    ) -> Result<(Asset, bool), AssetError> {
        let (id, length) = (AssetId::of(bytes), bytes.len() as u64);
        if length > self.limits.file_bytes {
            return Err(AssetError::TooLarge { bytes: length, limit: self.limits.file_bytes });
        }
        let kind = check::kind_of(bytes)?;
        if let Some(given) = given.filter(|given| *given != kind.media_type()) {
            return Err(AssetError::OtherType { found: kind, given: given.chars().take(80).collect() });
        }
        if let Some(known) = self.get(tenant, &id) {
            return Ok((known, false));
        }
        // It would be decoded as far as it goes, and looped from there.
        if kind == AssetType::Mp4 && package::Length::of(bytes).is_cut_off {
            return Err(AssetError::Clip("is cut off: it ends before what it says that is in it".to_owned()));
        }
        self.known.read().check_room(tenant, length, self.limits.tenant_bytes)?;
        let found = match kind.is_clip() {
            true => self.checked_clip(tenant, &id, bytes, stop)?,
            false => {
                let Checked { size, lasts } = self.draws.check(Art { kind, bytes }, stop)?;
                Found { size, length: lasts, pictures: 0, has_sound: false }
            }
        };
        let _change = self.changing.lock();
        // Others may have come meanwhile.
        self.known.read().check_room(tenant, length, self.limits.tenant_bytes)?;
        let Found { size: (width, height), length: lasts, pictures, has_sound } = found;
        let asset = Asset {
            id,
            kind,
            width,
            height,
            bytes: length,
            duration_s: lasts.as_secs_f64(),
            pictures,
            has_sound,
            state: AssetState::Ready,
            loops: None,
        };
        self.folder()?.write(tenant, &id, bytes, &asset)?;
        self.known.write().assets.insert((tenant.into(), id), asset.clone());
        Ok((asset, true))
    }

    /// What a clip is that can be shown. A tenant's are looked at one after the other: each has its place in the line.
    fn checked_clip(&self, tenant: &str, id: &AssetId, bytes: &[u8], stop: &Stop) -> Result<Found, AssetError> {
        let trial = self.folder()?.trial(tenant, id, bytes)?;
        film::look(self.films()?, trial.path(), stop)
    }

    /// Lets go of an asset that no skin has.
    ///
    /// # Errors
    /// [`AssetError::Unknown`], [`AssetError::InUse`], [`AssetError::Disk`].
    pub fn delete(&self, tenant: &str, id: &AssetId) -> Result<(), AssetError> {
        let _change = self.changing.lock();
        if self.get(tenant, id).is_none() {
            return Err(AssetError::Unknown(*id));
        }
        let by: Vec<String> = {
            let skins = self.skins(tenant);
            let shows = |skin: &&Arc<Skin>| skin.art.values().any(|asset| asset == id);
            skins.iter().filter(shows).take(5).map(|skin| format!("skin {:?}", skin.id)).collect()
        };
        if !by.is_empty() {
            return Err(AssetError::InUse(by.join(", ")));
        }
        self.folder()?.remove_made(tenant, id)?;
        self.folder()?.remove(tenant, id)?;
        self.loops.lock().remove(id);
        self.known.write().assets.remove(&(tenant.into(), *id));
        Ok(())
    }
}
