//! Files of sources: opened once, and judged by what was opened.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::{Denied, Pass};

impl Pass {
    /// Whether `path` lies in a folder of media, by its name alone.
    ///
    /// # Errors
    /// [`Denied::Folder`].
    pub fn folder(&self, path: &Path) -> Result<(), Denied> {
        if self.reach.trusts_names {
            return Ok(());
        }
        let mut folders = self.reach.rules.media_dirs.iter();
        let within =
            folders.any(|dir| path.starts_with(dir) || dir.canonicalize().is_ok_and(|dir| path.starts_with(dir)));
        if within { Ok(()) } else { Err(Denied::Folder) }
    }

    /// Opens the regular file at `path`. What is judged is what was opened: a link that is turned meanwhile leads to nothing else.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn open_file(&self, path: &Path) -> Result<File, Denied> {
        // Of what lies outside nothing is told, not even whether it is there.
        self.folder(path)?;
        let unreadable = |error: io::Error| Denied::Unreadable(error.kind().to_string());
        // Opening a device can do something; a link to one is looked at again below.
        if !path.metadata().map_err(|error| self.told(path, error))?.is_file() {
            return Err(self.found(path).map_or_else(|denied| denied, |()| Denied::NoFile));
        }
        // A pipe that nobody writes to would be waited for.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file: File = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| unreadable(error.into()))?.into();
        if !self.reach.trusts_names {
            let opened = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(unreadable)?;
            self.within(&opened)?;
        }
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(Denied::NoFile);
        }
        Ok(file)
    }

    /// Where `path` ends when links are followed.
    fn found(&self, path: &Path) -> Result<(), Denied> {
        if self.reach.trusts_names {
            return Ok(());
        }
        path.canonicalize().map_err(|_| Denied::Folder).and_then(|path| self.within(&path))
    }

    /// Whether a path without links lies in a folder of media.
    fn within(&self, path: &Path) -> Result<(), Denied> {
        let mut folders = self.reach.rules.media_dirs.iter().filter_map(|dir| dir.canonicalize().ok());
        if folders.any(|dir: PathBuf| path.starts_with(dir)) { Ok(()) } else { Err(Denied::Folder) }
    }

    /// An error of a path within a folder. A link out of it tells nothing of what is there.
    fn told(&self, path: &Path, error: io::Error) -> Denied {
        let is_link = path.symlink_metadata().is_ok_and(|about| about.is_symlink());
        if is_link && !self.reach.trusts_names { Denied::Folder } else { Denied::Unreadable(error.kind().to_string()) }
    }
}
