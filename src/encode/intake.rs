//! What goes into an encoder of pictures, and which of it comes out: the same for whichever library encodes.

use std::collections::VecDeque;

use crate::encode::VideoEncodeError;
use crate::frame::Picture;
use crate::ladder::VideoSettings;
use crate::timeline::{FrameNumber, PictureKind};

/// The pictures that are inside an encoder.
#[derive(Default)]
pub(super) struct Intake {
    /// Pictures taken in, and the frames of those that have not come out, in order.
    pictures: i64,
    inside: VecDeque<(i64, FrameNumber)>,
    last: Option<FrameNumber>,
}

/// A picture on its way in.
pub(super) struct Taken {
    /// What the library knows it by.
    pub pts: i64,
    /// As the C files count kinds.
    pub kind: i32,
    pub planes: [*const u8; 3],
    pub strides: [i32; 3],
}

impl Intake {
    /// Takes note of `picture`, which is frame `frame`.
    pub fn take(
        &mut self,
        settings: &VideoSettings,
        picture: &Picture,
        frame: FrameNumber,
    ) -> Result<Taken, VideoEncodeError> {
        let &VideoSettings { width, height, grid, .. } = settings;
        if (picture.width, picture.height) != (width, height) {
            return Err(VideoEncodeError::WrongSize {
                got_width: picture.width,
                got_height: picture.height,
                width,
                height,
            });
        }
        let (got, expected) = (picture.colour.depth.bits(), settings.codec.canvas().depth.bits());
        if got != expected {
            return Err(VideoEncodeError::WrongDepth { got, expected });
        }
        let kind = grid.kind_of(frame);
        if self.last.map_or(kind != PictureKind::Idr, |last| last + 1 != frame && kind != PictureKind::Idr) {
            return Err(VideoEncodeError::Disordered { before: self.last.unwrap_or(frame), frame });
        }
        self.last = Some(frame);
        let pts = self.pictures;
        self.pictures += 1;
        self.inside.push_back((pts, frame));
        Ok(Taken {
            pts,
            kind: match kind {
                PictureKind::Idr => 0,
                PictureKind::P => 1,
                PictureKind::B => 2,
            },
            planes: [0, 1, 2].map(|p| picture.plane(p).as_ptr()),
            strides: [0, 1, 2].map(|p| i32::try_from(picture.strides[p]).unwrap_or(i32::MAX)),
        })
    }

    /// The frame of the picture that the library knows by `pts`, which has come out.
    pub fn came(&mut self, pts: i64) -> Option<FrameNumber> {
        let at = self.inside.iter().position(|(inside, _)| *inside == pts)?;
        self.inside.remove(at).map(|(_, frame)| frame)
    }

    /// The frame that was taken in last.
    pub fn last(&self) -> FrameNumber {
        self.last.unwrap_or(0)
    }
}
