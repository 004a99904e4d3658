//! The process that draws one file, and knows nothing else.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use super::MEMORY_BYTES;
use super::jail;
use super::message::{self, Asked, Job, Said};
use crate::assets::check::Read;
use crate::assets::draws::{self, Art, Moment};
use crate::assets::{AssetError, moving};
use crate::work;

/// Files are smaller, whatever the configuration allows.
const MOST_FILE_BYTES: u64 = 1 << 30;

/// Draws what the parent, at the other end of standard input, sends.
pub fn child() -> ExitCode {
    work::close_inherited();
    let Ok(pipe) = io::stdin().as_fd().try_clone_to_owned() else { return ExitCode::FAILURE };
    let mut pipe = UnixStream::from(pipe);
    let begun = begin(&mut pipe).and_then(|(asked, bytes)| work(&mut pipe, &asked, &bytes).map_err(text));
    match begun {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // A parent that has gone hears nothing.
            let _ = message::send(&mut pipe, &Said::Broken(why));
            ExitCode::FAILURE
        }
    }
}

fn text(error: io::Error) -> String {
    error.to_string()
}

/// What is asked for, and the file.
fn begin(pipe: &mut UnixStream) -> Result<(Asked, Vec<u8>), String> {
    // What it was started as says little.
    let _ = rustix::thread::set_name(c"quadrille-art");
    work::stand_back();
    work::give_up_rights().map_err(text)?;
    work::die_with_parent().map_err(text)?;
    jail::lock_in(MEMORY_BYTES)?;
    let mut length = [0; 4];
    pipe.read_exact(&mut length).map_err(text)?;
    let mut asked = vec![0; message::length(length).ok_or("what is asked is too long")?];
    pipe.read_exact(&mut asked).map_err(text)?;
    let asked: Asked = serde_json::from_slice(&asked).map_err(|error| error.to_string())?;
    if asked.bytes > MOST_FILE_BYTES {
        return Err("the file is too large".to_owned());
    }
    let mut bytes = vec![0; asked.bytes as usize];
    pipe.read_exact(&mut bytes).map_err(text)?;
    Ok((asked, bytes))
}

fn work(pipe: &mut UnixStream, asked: &Asked, bytes: &[u8]) -> io::Result<()> {
    let art = Art { kind: asked.kind, bytes };
    // Who cannot be told is gone, and ends this.
    let mut said = pipe.try_clone()?;
    let mut begins = |size: Option<(u32, u32)>, most: Duration| {
        let _ = message::send(&mut said, &Said::Begins { size, most_ms: most.as_millis() as u64 });
        jail::allow(most);
    };
    let refused = |pipe: &mut UnixStream, error: AssetError| message::send(pipe, &Said::Refused(error.into()));
    match &asked.job {
        Job::Check => match draws::checked(art, &mut begins) {
            Ok(checked) => {
                let lasts_ns = checked.lasts.as_nanos() as u64;
                message::send(pipe, &Said::Checked { size: checked.size, lasts_ns })
            }
            Err(error) => refused(pipe, error),
        },
        Job::Still { size } => match draws::still(art, *size, &mut begins) {
            Ok(read) => hand_over(pipe, &Moment { reads: vec![read], lasts: Duration::ZERO, is_last: true }),
            Err(error) => refused(pipe, error),
        },
        Job::Moving { sizes } => {
            let mut sent = Ok(());
            let mut mouth = pipe.try_clone()?;
            let shown = moving::shown(art, sizes, &mut begins, &mut |moment| {
                sent = hand_over(&mut mouth, &moment);
                sent.is_ok()
            });
            shown.or_else(|error| refused(pipe, error)).and(sent)
        }
    }
}

fn hand_over(pipe: &mut UnixStream, moment: &Moment) -> io::Result<()> {
    for read in &moment.reads {
        let Read::Fitted { source, pixels, .. } = read else { return Err(io::ErrorKind::InvalidData.into()) };
        let (lasts_ns, bytes) = (moment.lasts.as_nanos() as u64, pixels.len() as u64);
        let said = Said::Picture { source: *source, lasts_ns, is_last: moment.is_last, bytes };
        message::send(pipe, &said)?;
        pipe.write_all(pixels)?;
    }
    Ok(())
}
