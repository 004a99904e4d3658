//! Playlists and the first bytes of segments, as any server may send them.
#![no_main]

#[allow(dead_code)]
#[path = "../../src/feed/playlist"]
mod playlist {
    pub mod master;
    pub mod media;
    pub mod text;
}
#[allow(dead_code)]
#[path = "../../src/feed/playlist/stamp.rs"]
mod stamp;
/// What `stamp` needs of the room.
mod stretches {
    pub const WRAP_NANOS: i64 = ((1i128 << 33) * 1_000_000_000 / 90_000) as i64;
}

use libfuzzer_sys::fuzz_target;
use playlist::master::MasterPlaylist;
use playlist::media::MediaPlaylist;
use playlist::text::Variables;
use url::Url;

fuzz_target!(|data: &[u8]| {
    let Some((mode, data)) = data.split_first() else { return };
    if mode & 1 == 0 {
        let (init, segment) = data.split_at(data.len() / 2);
        let info = stamp::InitInfo::read(init);
        for init in [None, Some(&info)] {
            if let Some(stamp) = stamp::stamp(segment, init) {
                assert!(stamp.skip <= segment.len());
            }
        }
        return;
    }
    let url = Url::parse("http://h/a/b.m3u8?token=t").unwrap();
    let text = format!("#EXTM3U\n{}", String::from_utf8_lossy(data));
    let variables = match MasterPlaylist::read(&text, &url) {
        Ok(Some(master)) => {
            assert!(!master.variants.is_empty());
            master.variables
        }
        _ => Variables::default(),
    };
    if let Ok(playlist) = MediaPlaylist::read(&text, &url, &variables) {
        for pair in playlist.segments.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.saturating_add(1));
            assert!(pair[1].discontinuity >= pair[0].discontinuity);
        }
        assert!(playlist.segments.iter().all(|segment| segment.url.scheme().starts_with("http")));
        let _ = playlist.mark();
    }
});
