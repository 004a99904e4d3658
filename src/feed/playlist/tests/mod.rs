//! Playlists read, followed, chosen from and played.

mod choosing;
mod cueing;
mod following;
mod placing;
mod playing;
mod reading;
mod server;
mod sharing;

use url::Url;

use super::media::MediaPlaylist;
use super::text::{PlaylistError, Variables};

fn base() -> Url {
    Url::parse("http://h/live/index.m3u8?token=t").unwrap()
}

fn media(text: &str) -> Result<MediaPlaylist, PlaylistError> {
    MediaPlaylist::read(text, &base(), &Variables::default())
}
