//! The slate: what a slot shows while its feed has no picture.

use super::health::Reason;
use super::pen::Stencil;
use crate::frame::{Colour, Picture};

/// The note of a feed that never had a picture.
pub const CONNECTING: &str = "Connecting";
/// The note of a feed that lost its picture.
pub const RECONNECTING: &str = "Signal lost – reconnecting";
/// The note where pictures are there and are not shown yet.
pub const ONE_MOMENT: &str = "One moment";
/// The note of a feed whose source is not taken, or not now, by its reason; `None` where trying again may help.
pub(super) fn refusal(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::Forbidden => Some("Source not allowed"),
        Reason::TooLarge => Some("Source too large"),
        Reason::Unsupported => Some("Source of another kind"),
        Reason::OnHold => Some("On hold – this machine is busy"),
        Reason::NoRoom => Some("No room – this machine is busy"),
        Reason::Waiting => Some("Waiting for its turn to start"),
        _ => None,
    }
}

/// The note of a game whose break is not shown.
pub const BREAK: &str = "Break";

const WIDTH: usize = 1280;
const HEIGHT: usize = 720;

/// A slate with the game's title and a `note` under it, 1280x720, in the canvas's colour. Dark blue, lighter towards the middle, the title between
/// two thin lines.
pub fn draw(title: &str, note: &str) -> Option<Picture> {
    let mut luma = vec![0u8; WIDTH * HEIGHT];
    for (y, row) in luma.chunks_exact_mut(WIDTH).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            *pixel = background(x, y);
        }
    }
    let title = Stencil::text(title, 84.0, WIDTH - 160);
    let note = Stencil::text(note, 34.0, WIDTH - 160);
    title.blend(&mut luma, WIDTH, (WIDTH - title.width) / 2, 290, 226);
    note.blend(&mut luma, WIDTH, (WIDTH - note.width) / 2, 408, 140);
    let mut blue = vec![138u8; WIDTH * HEIGHT / 4];
    let mut red = vec![123u8; WIDTH * HEIGHT / 4];
    // An amber rule under the title, as wide as a third of the picture.
    let (left, right) = (WIDTH / 2 - 60, WIDTH / 2 + 60);
    for y in 388..392 {
        luma[y * WIDTH + left..y * WIDTH + right].fill(168);
    }
    for y in 194..196 {
        let row = y * WIDTH / 2;
        blue[row + left / 2..row + right / 2].fill(44);
        red[row + left / 2..row + right / 2].fill(160);
    }
    Picture::from_planes(WIDTH as u32, HEIGHT as u32, Colour::CANVAS, [luma, blue, red])
}

/// Luma 24 in the corners to 40 in the middle, with an ordered dither so that the gradient shows no bands.
fn background(x: usize, y: usize) -> u8 {
    const DITHER: [[i64; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];
    let (dx, dy) = (x as i64 - WIDTH as i64 / 2, (y as i64 - HEIGHT as i64 / 2) * 16 / 9);
    let far = 2 * (WIDTH as i64 / 2).pow(2);
    let light = (far - (dx * dx + dy * dy)).max(0) * 16 * 16 / far + DITHER[y % 4][x % 4];
    (24 + light / 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slate_shows_its_title_and_stays_in_range() {
        let draw = |title| draw(title, RECONNECTING);
        let named = draw("Knicks at Celtics").unwrap();
        let other = draw("A very long title that cannot possibly fit into one line of a slate of this width").unwrap();
        assert_eq!((named.width, named.height, named.colour), (1280, 720, Colour::CANVAS));
        assert!(named.plane(0) != other.plane(0));
        for picture in [&named, &other, &draw("").unwrap(), &draw("\u{0}\n\u{10ffff}").unwrap()] {
            assert!(picture.plane(0).iter().all(|v| (16..=235).contains(v)));
        }
        assert!(named.row(0, 330).iter().any(|v| *v > 200), "the title is not there");
    }
}
