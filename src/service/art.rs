//! Takes up art, and makes the skins that the configuration has.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StartError;
use super::films::FilmsOfAssets;
use super::makers::Makers;
use crate::assets::{ArtApart, AssetError, AssetLimits, Assets, Skin, SkinOrigin};
use crate::config::SkinFiles;

impl Makers<'_> {
    /// What was uploaded, and what the configuration has.
    pub async fn assets(&self) -> Result<Arc<Assets>, StartError> {
        let (dir, art) = (self.config.data_dir.join("assets"), self.config.art);
        let limits = AssetLimits { file_bytes: art.file_bytes, tenant_bytes: art.tenant_bytes };
        let skins = self.config.skins.clone();
        let films = FilmsOfAssets {
            grid: self.config.output.grid,
            clock: self.options.clock.clone(),
            dir: std::path::absolute(&dir).map_err(|source| StartError::Assets { dir: dir.clone(), source })?,
            limits: self.config.sources.limits,
            apart: self.apart(),
        };
        let drawn = ArtApart::new(self.program(), vec!["art-child".into()]);
        let opened = tokio::task::spawn_blocking(move || {
            let assets = Assets::open_apart(dir.clone(), limits, drawn, Arc::new(films));
            let assets = assets.map_err(|source| StartError::Assets { dir, source })?;
            for skin in skins {
                define(&assets, &skin).map_err(|problem| {
                    let SkinFiles { id, tenant, .. } = skin;
                    StartError::Skin { tenant, skin: id, problem }
                })?;
            }
            Ok(assets)
        });
        opened.await.unwrap_or_else(|panic| {
            let dir = self.config.data_dir.join("assets");
            Err(StartError::Assets { dir, source: std::io::Error::other(panic.to_string()) })
        })
    }
}

/// Makes a skin of files that were found to be there. They are kept like those that were uploaded.
fn define(assets: &Assets, skin: &SkinFiles) -> Result<(), String> {
    let mut art = BTreeMap::new();
    for (name, path) in &skin.art {
        let wrong = |error: AssetError| format!("{}: {error}", path.display());
        let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let (asset, _) = assets.add(&skin.tenant, &bytes, None).map_err(wrong)?;
        art.insert(name.clone(), asset.id);
    }
    let skin_of = Skin { id: skin.id.clone(), art, origin: SkinOrigin::Config };
    assets.put_skin(&skin.tenant, skin_of).map(|_| ()).map_err(|e| e.to_string())
}
