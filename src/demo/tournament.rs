//! `quadrille demo --tournament`: matches in twenty-five skins, three languages and two tiers, each at an address that stays.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use quadrille::config::Config;

/// What skins are called, and their colours.
const SKINS: [(&str, &str); 25] = [
    ("crimson", "#a5142a"),
    ("scarlet", "#d8341f"),
    ("coral", "#f2745f"),
    ("rust", "#9c4a1a"),
    ("orange", "#ee7d11"),
    ("amber", "#f5b301"),
    ("gold", "#c99a1b"),
    ("sand", "#d9c48f"),
    ("lemon", "#efe13c"),
    ("olive", "#7a7d1e"),
    ("lime", "#9ccc2e"),
    ("grass", "#4d9b2d"),
    ("forest", "#1f5c33"),
    ("mint", "#6fd3a5"),
    ("teal", "#16807c"),
    ("aqua", "#35bfd0"),
    ("sky", "#5fb0ee"),
    ("azure", "#1f78d1"),
    ("navy", "#1b2f73"),
    ("indigo", "#4b3fae"),
    ("violet", "#7f52c6"),
    ("plum", "#7a2f73"),
    ("magenta", "#cf2f93"),
    ("rose", "#ee8fb0"),
    ("slate", "#5b6673"),
];

/// Languages of markets: of every third match the captions are in it.
const LANGUAGES: [(&str, &str); 3] = [("en", "English"), ("de", "German"), ("es", "Spanish")];

/// Which of the seven strokes of a digit are drawn: top, upper left and right, middle, lower left and right, bottom.
const DIGITS: [[u8; 7]; 10] = [
    [1, 1, 1, 0, 1, 1, 1],
    [0, 0, 1, 0, 0, 1, 0],
    [1, 0, 1, 1, 1, 0, 1],
    [1, 0, 1, 1, 0, 1, 1],
    [0, 1, 1, 1, 0, 1, 0],
    [1, 1, 0, 1, 0, 1, 1],
    [1, 1, 0, 1, 1, 1, 1],
    [1, 0, 1, 0, 0, 1, 0],
    [1, 1, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 0, 1, 1],
];

/// Places of those strokes in a digit of 40x72: x, y, width, height.
const STROKES: [(u32, u32, u32, u32); 7] =
    [(0, 0, 40, 8), (0, 0, 8, 40), (32, 0, 8, 40), (0, 32, 40, 8), (0, 32, 8, 40), (32, 32, 8, 40), (0, 64, 40, 8)];

/// A frame in a skin's colour, with its number in the corner: text is not taken in drawings.
fn drawn(number: usize, colour: &str) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1920 1080\"><path fill=\"{colour}\" d=\"M0 0H1920V1080H0z\"/>\
         <path fill=\"#fff\" fill-opacity=\".35\" d=\"M0 984H1920V996H0z\"/>"
    );
    for (place, digit) in [number / 10 % 10, number % 10].into_iter().enumerate() {
        for ((x, y, width, height), _) in STROKES.iter().zip(DIGITS[digit]).filter(|(_, is_drawn)| *is_drawn == 1) {
            let x = 48 + 56 * place + *x as usize;
            // Writing into a text cannot fail.
            let _ =
                write!(svg, "<rect fill=\"#fff\" x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{height}\"/>", y + 12);
        }
    }
    svg + "</svg>"
}

/// What is run: `matches` of them, their skins drawn into the folder `art`.
pub fn config(matches: u32, art: &Path) -> anyhow::Result<Config> {
    std::fs::create_dir_all(art).with_context(|| format!("cannot make {}", art.display()))?;
    let mut text = String::from(
        "[[tenants]]\nid = \"demo\"\noperator_keys = [\"demo-operator\"]\ndevice_keys = [\"demo-device\"]\n\
         [output]\nfps = \"30\"\nsegment_frames = 60\n\
         [[output.renditions]]\nname = \"360p\"\nwidth = 640\nheight = 360\nbitrate = 800_000\n\
         [[output.renditions]]\nname = \"180p\"\nwidth = 320\nheight = 180\nbitrate = 250_000\n\
         [stitch]\nkeep_warm = false\n\
         [[outputs]]\nid = \"matches\"\ntenant = \"demo\"\naccess = \"public\"\n\
         [[tariffs]]\ncurrency = \"EUR\"\n[[tariffs.prices]]\noutput = true\nper_minute = \"0.0200\"\n\
         [[tariffs.prices]]\nper_minute = \"0.0040\"\n",
    );
    for n in 0..matches {
        let pattern = ["ball", "pinwheel", "smpte"][n as usize % 3];
        let ((language, _), tone) = (LANGUAGES[n as usize % 3], 262 + 20 * (n % 30));
        let source =
            format!("test://{pattern}?size=640x360&fps=30&tone={tone}&label=Match%20{0}&captions={language}", n + 1);
        write!(text, "[[games]]\nid = \"m{0}\"\ntitle = \"Match {0}\"\nsources = [{source:?}]\n", n + 1)?;
    }
    for (n, (id, colour)) in SKINS.iter().enumerate() {
        let path = art.join(format!("{id}.svg"));
        std::fs::write(&path, drawn(n + 1, colour)).with_context(|| format!("cannot write {}", path.display()))?;
        let path = path.to_str().context("the data directory's name is no text")?;
        write!(text, "[[skins]]\nid = {id:?}\ntenant = \"demo\"\nart = {{ frame = {path:?} }}\n")?;
    }
    for (language, name) in LANGUAGES {
        for (tier, bounds) in [("free", "max_height = 180\nfeatures = []\n"), ("premium", "")] {
            write!(
                text,
                "[[markets]]\nid = \"{language}-{tier}\"\ntitle = \"{name}, {tier}\"\ntenant = \"demo\"\n\
                 sound_language = {language:?}\ntext_language = {language:?}\n{bounds}"
            )?;
        }
    }
    Ok(Config::parse(&text, Path::new("tournament.toml"))?)
}

/// Says where everything is.
pub fn print(matches: u32, address: SocketAddr) {
    let names: Vec<&str> = SKINS.iter().map(|(id, _)| *id).collect();
    let markets =
        LANGUAGES.iter().flat_map(|(language, _)| ["free", "premium"].map(|tier| format!("{language}-{tier}")));
    let markets: Vec<String> = markets.collect();
    let count = matches as usize * SKINS.len();
    println!(
        "\n{count} outputs are there, and {} with their markets. None runs until somebody polls it:\n",
        count * markets.len()
    );
    println!("http://{address}/v1/out/MATCH/SKIN/index.m3u8?market=MARKET\n");
    println!("MATCH   m1 to m{matches}\nSKIN    {}\nMARKET  {}, or none\n", names.join(" "), markets.join(" "));
    for (n, market) in markets.iter().enumerate() {
        let game = n as u32 % matches + 1;
        println!("http://{address}/v1/out/m{game}/{}/index.m3u8?market={market}", names[n * 4 % names.len()]);
    }
    println!("\npage: http://{address}/?key=demo-device\noperators: http://{address}/operator");
    println!("\ndevice key:   demo-device\noperator key: demo-operator\nend it with Ctrl-C\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tournament_is_what_the_service_takes() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(63, dir.path()).unwrap();
        assert_eq!(
            (config.games.len(), config.skins.len(), config.markets.len(), config.outputs.len()),
            (63, 25, 6, 1)
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 25);
        let differing: std::collections::BTreeSet<_> = SKINS.iter().map(|(_, colour)| colour).collect();
        assert_eq!(differing.len(), SKINS.len());
    }
}
