//! What feeds may spend on decoding: what admission has left.

use std::sync::Arc;

use crate::feed::DecodeRoom;
use crate::mosaic::MosaicRegistry;

pub(super) struct MachineRoom(pub Arc<MosaicRegistry>);

impl DecodeRoom for MachineRoom {
    fn admit(&self, cores: f64) -> bool {
        self.0.admit_decoding(cores)
    }

    fn left(&self) -> f64 {
        self.0.left_for_decoding()
    }
}
