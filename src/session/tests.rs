mod lifecycle;
mod playback;
mod requests;
mod restarts;
mod standstill;
mod unbookable;

use super::SessionView;
use super::testing::House;
use crate::store::{MeterLine, testing};

fn token(session: &SessionView) -> &str {
    session.playback_url.split('/').nth(3).unwrap()
}

async fn video(house: &House, session: &SessionView) -> String {
    house.sessions.video_playlist(token(session), "1080p").await.unwrap()
}

async fn audio(house: &House, session: &SessionView, game: &str) -> String {
    house.sessions.audio_playlist(token(session), game).await.unwrap()
}

/// Plays for `seconds`: a playlist every two, a sweep every one.
async fn play(house: &House, session: &SessionView, seconds: u64) {
    for second in 0..seconds {
        if second % 2 == 0 {
            let _ = house.sessions.video_playlist(token(session), "1080p").await;
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
