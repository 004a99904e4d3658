mod billed;
mod break_ranges;
mod bridges;
mod bygone;
mod game_rights;
mod handed;
mod lifecycle;
mod outputs;
mod playback;
mod requests;
mod restarts;
mod rights;
mod stand_ins;
mod standstill;
mod start_over;
mod tickets;
mod unbookable;

use super::testing::House;
use super::{Player, Reload, SessionView};
use crate::store::{MeterLine, testing};

/// Whatever there is.
const NOW: Reload = Reload { msn: None, part: None, skip: false, parts: true, start_ms: None, player: Player::FIRST };

/// The session's own token, which stands first in its address.
fn token(session: &SessionView) -> &str {
    element(session).split('~').next().unwrap()
}

fn element(session: &SessionView) -> &str {
    session.playback_url.split('/').nth(3).unwrap()
}

/// A playlist without the signatures of renditions.
fn unsigned(playlist: &str) -> String {
    let mut parts = playlist.split('~');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, rest| text + &rest[rest.find('/').unwrap_or(rest.len())..])
}

/// A playlist as a client reads it that knows nothing of low latency, without the signatures of renditions.
fn plain(playlist: &str) -> String {
    let tags =
        ["SERVER-CONTROL", "START", "PART", "PRELOAD-HINT", "RENDITION-REPORT"].map(|tag| format!("#EXT-X-{tag}"));
    let playlist = unsigned(playlist);
    let lines = playlist.split_inclusive('\n').filter(|line| !tags.iter().any(|tag| line.starts_with(tag)));
    lines.collect()
}

async fn video(house: &House, session: &SessionView) -> String {
    house.sessions.video_playlist(token(session), "1080p", NOW).await.unwrap()
}

async fn audio(house: &House, session: &SessionView, game: &str) -> String {
    house.sessions.audio_playlist(token(session), game, NOW).await.unwrap()
}

/// Plays for `seconds`: a playlist every two, a sweep every one.
async fn play(house: &House, session: &SessionView, seconds: u64) {
    for second in 0..seconds {
        if second % 2 == 0 {
            let _ = house.sessions.video_playlist(token(session), "1080p", NOW).await;
        }
        house.pass(1).await;
    }
}

async fn lines(house: &House) -> Vec<MeterLine> {
    testing::lines(&*house.disk, "acme").await
}

async fn booked_seconds(house: &House, session: &SessionView) -> u64 {
    let lines = lines(house).await.into_iter().filter(|line| line.session_id == session.id);
    lines.map(|line| u64::from(line.billable_seconds)).sum()
}
