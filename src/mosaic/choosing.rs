//! Which engine makes a mosaic.

use std::sync::Arc;

use super::contract::AdmitError;
use super::engine::Engine;
use super::registry::MosaicRegistry;
use super::spec::{EngineChoice, EngineKind, MosaicId, MosaicSpec};

/// Room for skinned tiles comes when viewers go.
const RETRY_S: u32 = 20;

impl MosaicRegistry {
    /// The engine for `spec`: the first that suits and has room for what is made for it alone. One that makes it goes on: what sessions list is its.
    pub(super) fn engine_for(
        &self,
        spec: &MosaicSpec,
        choice: EngineChoice,
        is_running: impl Fn(&MosaicId) -> bool,
    ) -> Result<&Arc<dyn Engine>, AdmitError> {
        let layout = &spec.layout;
        let suits = |e: &&Arc<dyn Engine>| match choice {
            EngineChoice::Auto => e.suits(layout),
            EngineChoice::Only(kind) => e.kind() == kind && e.suits(layout),
        };
        let unsuited = || {
            let engine = match choice {
                EngineChoice::Auto => EngineKind::Render,
                EngineChoice::Only(kind) => kind,
            };
            AdmitError::EngineUnsuited { engine, layout: layout.id.clone() }
        };
        let first = self.engines.iter().find(suits).ok_or_else(unsuited)?;
        // Of nearly all mosaics that is all there is to say.
        if spec.art.is_empty() || layout.art_slots(true).next().is_none() {
            return Ok(first);
        }
        let mut suited = self.engines.iter().filter(suits);
        let makes = |e: &&Arc<dyn Engine>| is_running(&self.names.name(spec, e.kind()));
        if let Some(engine) = suited.clone().find(makes) {
            return Ok(engine);
        }
        suited.find(|engine| engine.has_room(spec)).ok_or_else(|| AdmitError::Capacity {
            detail: "as many games have tiles with art over them as may".to_owned(),
            retry_after_s: RETRY_S,
        })
    }
}
