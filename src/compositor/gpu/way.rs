//! What becomes of a scaled picture on a canvas, by the colours of both.

use std::sync::Arc;

use crate::compositor::colour::Conversion;
use crate::compositor::into_hdr::IntoHdr;
use crate::compositor::pq;
use crate::frame::{Colour, Depth};

/// As the CPU does it, which draws the same bytes.
pub(super) enum Way {
    /// Its samples are the canvas's.
    AsItIs,
    /// To eight bits.
    Converted(Arc<Conversion>),
    /// To a canvas in HDR.
    IntoHdr(Arc<IntoHdr>),
}

impl Way {
    pub(super) fn of(picture: Colour, canvas: Colour) -> Self {
        if canvas.is_hdr_canvas() {
            return match pq::is_as_canvas(picture, canvas) {
                true => Way::AsItIs,
                false => Way::IntoHdr(IntoHdr::from(picture, canvas)),
            };
        }
        let conversion = Conversion::from_colour(picture);
        match *conversion {
            Conversion::None => Way::AsItIs,
            Conversion::Affine(_) | Conversion::Light(_) => Way::Converted(conversion),
        }
    }

    /// Bits of what is scaled first and then converted.
    pub(super) fn tile_depth(&self, picture: Colour) -> Depth {
        match self {
            Way::AsItIs | Way::Converted(_) => picture.depth,
            Way::IntoHdr(_) => Depth::Ten,
        }
    }

    /// The tables that its shader reads, if any.
    pub(super) fn words(&self) -> Option<Vec<u32>> {
        match self {
            Way::AsItIs => None,
            Way::Converted(conversion) => match &**conversion {
                Conversion::Light(light) => Some(light.words()),
                Conversion::None | Conversion::Affine(_) => None,
            },
            Way::IntoHdr(light) => Some(light.words()),
        }
    }
}
