//! Makes the file of a clip.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, Write as _};
use std::path::Path;

use bytes::Bytes;

use super::{ClipSpec, Clips};
use crate::package::Movie;

/// Pictures and sound are tracks 0 and 1.
const PICTURE: usize = 0;
const SOUND: usize = 1;

impl Clips {
    /// Writes the movie; the bytes of its file.
    pub(super) async fn written(&self, path: &Path, spec: &ClipSpec) -> io::Result<u64> {
        let payload_path = path.with_extension("part");
        let written = self.put_together(path, &payload_path, spec).await;
        let _ = fs::remove_file(&payload_path);
        if written.is_err() {
            let _ = fs::remove_file(path);
        }
        written
    }

    /// The samples go to a file of their own first: the tables that stand before them are not known until all are there.
    async fn put_together(&self, path: &Path, payload_path: &Path, spec: &ClipSpec) -> io::Result<u64> {
        let missing = |what: &str| io::Error::other(format!("{what} is not there any more"));
        let picture = self.mosaics.init_segment(&spec.rendition).ok_or_else(|| missing("the rendition"))?;
        let sound = self.sounds.sound_init(&spec.sound).ok_or_else(|| missing("the sound"))?;
        let mut movie = Movie::new(&[picture, sound]).map_err(io::Error::other)?;
        let mut payload =
            BufWriter::new(File::options().read(true).write(true).create(true).truncate(true).open(payload_path)?);
        for n in self.segments(spec) {
            let picture = self.mosaics.segment(&spec.mosaic, &spec.rendition, n).await.map(|segment| segment.whole());
            let sound = self.sounds.sound_segment(&spec.sound, n).await;
            let of = |segment: Option<Bytes>| segment.ok_or_else(|| missing(&format!("segment {n}")));
            for (track, segment) in [(PICTURE, of(picture)?), (SOUND, of(sound)?)] {
                payload.write_all(&movie.add(track, &segment).map_err(io::Error::other)?)?;
            }
        }
        let head = movie.head(spec.from, spec.to).map_err(io::Error::other)?;
        let mut payload = payload.into_inner().map_err(io::IntoInnerError::into_error)?;
        let path = path.to_owned();
        let copying = tokio::task::spawn_blocking(move || {
            payload.rewind()?;
            let mut file = File::create(&path)?;
            file.write_all(&head)?;
            let copied = io::copy(&mut payload, &mut file)?;
            file.sync_all()?;
            Ok(copied + head.len() as u64)
        });
        copying.await.map_err(io::Error::other)?
    }
}
