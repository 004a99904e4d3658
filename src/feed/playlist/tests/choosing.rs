use super::super::choice::{Choice, Limit, VariantWish, choices};
use super::super::master::MasterPlaylist;
use super::super::text::PlaylistError;
use super::base;

const LADDER: &str = "#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"hi\",NAME=\"English\",LANGUAGE=\"en-GB\",AUTOSELECT=YES,URI=\"en.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"hi\",NAME=\"Deutsch\",LANGUAGE=\"de\",DEFAULT=YES,URI=\"de.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"lo\",NAME=\"Deutsch\",LANGUAGE=\"de\",DEFAULT=YES
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,FRAME-RATE=25,CODECS=\"avc1.4d401e,mp4a.40.2\",AUDIO=\"lo\"
360.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=6000000,RESOLUTION=1920x1080,FRAME-RATE=25,CODECS=\"avc1.640028,mp4a.40.2\",AUDIO=\"hi\"
1080.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=1920x1080,FRAME-RATE=50,CODECS=\"avc1.64002a,mp4a.40.2\",AUDIO=\"hi\"
1080p50.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,FRAME-RATE=25,CODECS=\"hvc1.1.6.L120,mp4a.40.2\",AUDIO=\"hi\"
hevc.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720,FRAME-RATE=25,CODECS=\"avc1.64001f,mp4a.40.2\",AUDIO=\"hi\"
720.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720,FRAME-RATE=25,CODECS=\"avc1.64001f,mp4a.40.2\",AUDIO=\"hi\"
http://backup/720.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=20000000,RESOLUTION=3840x2160,FRAME-RATE=50,CODECS=\"avc1.640033,mp4a.40.2\",AUDIO=\"hi\"
2160.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.2\"
sound.m3u8
";
const HD: Limit = Limit { lines: 1080, fps: 25.0, pixels_per_s: f64::INFINITY };

fn order(text: &str, wish: VariantWish, language: Option<&str>, limit: Limit) -> Vec<Choice> {
    let master = MasterPlaylist::read(text, &base()).unwrap().unwrap();
    choices(&master, wish, language, limit, &|codec| codec.starts_with("avc1")).unwrap()
}

fn names(choices: &[Choice]) -> Vec<&str> {
    choices.iter().map(|c| c.picture.as_str().trim_start_matches("http://h/live/")).collect()
}

#[test]
fn the_best_variant_there_is_room_for_comes_first_and_the_others_are_its_backups() {
    let best = order(LADDER, VariantWish::Best, None, HD);
    // No sound alone, nothing that is not decoded here; redundant ones side by side; what is too large last.
    let expected = ["1080.m3u8", "720.m3u8", "http://backup/720.m3u8", "360.m3u8", "1080p50.m3u8", "2160.m3u8"];
    assert_eq!(names(&best), expected);
    let fast = order(LADDER, VariantWish::Best, None, Limit { lines: 2160, fps: 60.0, pixels_per_s: f64::INFINITY });
    assert_eq!(names(&fast)[..3], ["2160.m3u8", "1080p50.m3u8", "1080.m3u8"]);
    // Small outputs take 720 lines all the same.
    let small = order(LADDER, VariantWish::Best, None, Limit { lines: 360, fps: 30.0, pixels_per_s: f64::INFINITY });
    assert_eq!(names(&small)[0], "720.m3u8");
    // Where the machine has less room: what fits comes first.
    let tight = order(LADDER, VariantWish::Best, None, Limit { pixels_per_s: 24e6, ..HD });
    assert_eq!(names(&tight)[0], "720.m3u8");
    let none = order(LADDER, VariantWish::Best, None, Limit { pixels_per_s: 1e6, ..HD });
    assert_eq!(names(&none)[0], "360.m3u8", "the smallest that is too large");
    let large_only = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9,RESOLUTION=7680x4320\n8k\n\
                      #EXT-X-STREAM-INF:BANDWIDTH=5,RESOLUTION=3840x2160\n4k\n";
    assert_eq!(names(&order(large_only, VariantWish::Best, None, HD)), ["4k", "8k"], "the smallest that is too large");
}

#[test]
fn a_parameter_chooses_by_lines_bandwidth_or_place() {
    let first = |wish: &str| {
        let choices = order(LADDER, VariantWish::parse(wish).unwrap(), None, HD);
        names(&choices)[0].to_owned()
    };
    assert_eq!(first("720p"), "720.m3u8");
    assert_eq!(first("500p"), "360.m3u8");
    assert_eq!(first("2160p"), "1080.m3u8", "50 pictures a second are of no use to a grid of 25");
    assert_eq!(first("2000k"), "360.m3u8");
    assert_eq!(first("6500000"), "1080.m3u8");
    assert_eq!(first("index:0"), "360.m3u8");
    assert_eq!(first("#6"), "2160.m3u8");
    for wrong in ["", "hd", "p", "k", "#x", "-1"] {
        assert_eq!(VariantWish::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn sound_is_the_default_or_in_the_language_asked_for() {
    let sound =
        |language| order(LADDER, VariantWish::Best, language, HD)[0].sound.clone().map(|url| url.path().to_owned());
    assert_eq!(sound(None).as_deref(), Some("/live/de.m3u8"));
    assert_eq!(sound(Some("en")).as_deref(), Some("/live/en.m3u8"));
    assert_eq!(sound(Some("eng")).as_deref(), Some("/live/en.m3u8"));
    assert_eq!(sound(Some("fr")).as_deref(), Some("/live/de.m3u8"));
    let inside = order(LADDER, VariantWish::Lines(360), None, HD);
    assert_eq!(inside[0].sound, None, "it is in the variant's own segments");
}

#[test]
fn variants_that_tell_nothing_are_taken_by_their_bandwidth_and_none_is_said() {
    let bare = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100\na\n#EXT-X-STREAM-INF:BANDWIDTH=300\nb\n";
    assert_eq!(names(&order(bare, VariantWish::Best, None, HD)), ["b", "a"]);
    let hevc = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"hvc1.1,mp4a.40.2\"\na\n";
    let master = MasterPlaylist::read(hevc, &base()).unwrap().unwrap();
    assert_eq!(choices(&master, VariantWish::Best, None, HD, &|_| false), Err(PlaylistError::NoVariant));
}
