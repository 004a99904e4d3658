use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::timeline::Grid;

/// As operators are shown it.
const CONTRACT: &str = r#"listen = "127.0.0.1:8080"
data_dir = "data"
[[tenants]]
id = "acme"
operator_keys = ["op-…"]        # or hashes: "sha256:…"
device_keys = ["dev-…"]
[[games]]
id = "nyk-bos"
title = "Knicks at Celtics"
sources = ["file:///clips/a.mp4"]   # primary first; file:// loops; also http(s) HLS, srt://, udp://, rtp://, rtmp://, test://PATTERN (ball, smpte, snow, zone-plate, pinwheel)
[output]
fps = "30"                        # or "60", "30000/1001", "60000/1001", "25", "50"
segment_frames = 60
[[output.renditions]]
name = "1080p"
width = 1920
height = 1080
bitrate = 6_000_000
"#;

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new("q.toml"))
}

/// The messages when `from` is replaced by `to` in the contract's file.
fn refusal_with(from: &str, to: &str) -> String {
    assert!(CONTRACT.contains(from), "nothing to replace: {from}");
    match parse(&CONTRACT.replacen(from, to, 1)) {
        Ok(_) => panic!("{from} -> {to} was taken"),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn the_contract_parses_as_printed() {
    let config = parse(CONTRACT).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.data_dir, Path::new("data"));
    assert!(config.tenants[0].operator_keys[0].matches("op-…") && config.tenants[0].device_keys[0].matches("dev-…"));
    assert_eq!(config.games[0].sources[0].as_str(), "file:///clips/a.mp4");
    assert_eq!(config.output.grid, Grid::new("30".parse().unwrap(), 60));
    assert_eq!(config.output.renditions.len(), 1);
    assert_eq!(config.output.renditions[0].bitrate_bps, 6_000_000);
    assert_eq!((config.output.window_s, config.output.audio_bitrate_bps, config.output.max_sounds), (30, 128_000, 4));
    assert_eq!(
        (config.sessions, config.admission, config.stitch),
        (SessionLimits::default(), Admission::default(), Stitch::default())
    );
}

#[test]
fn everything_can_be_set() {
    let text = CONTRACT.replace(
        "data_dir = \"data\"",
        "data_dir = \"/var/q\"\nbreak_policy = \"slate\"\nlayouts_dir = \"own\"\ncompositor = \"cpu\"\nfeeds = \"inside\"",
    ) + r#"
[[output.renditions]]
name = "540p"
width = 960
height = 540
bitrate = 1_600_000
[sessions]
idle_s = 60
mosaic_idle_s = 10
max_sessions = 5
keep_ended_days = 90
[admission]
headroom_percent = 70
max_mosaics = 3
[stitch]
enabled = false
keep_warm = true
max_skinned_tiles = 3
tile_preset = "faster"
[[games]]
id = "late"
title = "Late game"
sources = ["srt://10.0.0.1:9000", "test://smpte"]
tenants = ["acme"]
labels = { league = "nba" }
break_policy = "show"
"#;
    let text = text.replace(
        "segment_frames = 60",
        "segment_frames = 60\npreset = \"faster\"\nwindow_s = 60\naudio_bitrate = 96_000\nmax_sounds = 2",
    );
    let config = parse(&text).unwrap();
    assert_eq!(config.layouts_dir.as_deref(), Some(Path::new("own")));
    assert_eq!((config.compositor, config.output.preset), (CompositorChoice::Cpu, Preset::Faster));
    assert_eq!((config.feeds, parse(CONTRACT).unwrap().feeds), (Feeds::Inside, Feeds::Apart));
    assert_eq!((config.output.window_s, config.output.audio_bitrate_bps, config.output.max_sounds), (60, 96_000, 2));
    let limits = SessionLimits {
        idle_s: 60,
        mosaic_idle_s: 10,
        max_sessions: 5,
        keep_ended_days: 90,
        ..SessionLimits::default()
    };
    assert_eq!(config.sessions, limits);
    assert_eq!(config.admission, Admission { headroom_percent: 70, max_mosaics: Some(3) });
    let stitch =
        Stitch { enabled: false, keep_warm: Some(true), tile_preset: Some(Preset::Faster), max_skinned_tiles: 3 };
    assert_eq!(config.stitch, stitch);
    let late = &config.games[1];
    assert!(late.is_for("acme") && !late.is_for("other") && config.games[0].is_for("other"));
    assert_eq!(late.labels["league"], "nba");
    let policies = (config.break_policy, config.games[0].break_policy, late.break_policy);
    assert_eq!(policies, (BreakPolicy::Slate, None, Some(BreakPolicy::Show)));
}

#[test]
fn a_short_file_gets_the_default_ladder_and_two_second_segments() {
    let short = "[[tenants]]\nid = \"a\"\ndevice_keys = [\"k\"]\n";
    assert_eq!(parse(short).unwrap().output, Output::default());
    for (fps, frames) in [("25", 50), ("60", 120), ("30000/1001", 60), ("60000/1001", 120), ("24000/1001", 48)] {
        let config = parse(&format!("{short}[output]\nfps = \"{fps}\"\n")).unwrap();
        assert_eq!(config.output.grid.segment_frames(), frames, "{fps}");
    }
    let names: Vec<_> = Output::default().renditions.into_iter().map(|r| (r.name, r.bitrate_bps)).collect();
    assert_eq!(names, [("1080p".to_owned(), 6_000_000), ("540p".to_owned(), 1_600_000)]);
    // More on a machine that has more room; the file's own stay as they are.
    let ladder = |text: &str, cores| {
        let mut output = parse(text).unwrap().output;
        output.fit(cores);
        output.renditions.iter().map(|r| r.height).collect::<Vec<_>>()
    };
    assert_eq!([1, 2, 4, 7].map(|cores| ladder(short, cores).len()), [2, 2, 3, 3]);
    assert_eq!(ladder(short, 4), [1080, 540, 360]);
    assert_eq!([8, 64].map(|cores| ladder(short, cores)), [[1080, 720, 540, 360]; 2]);
    let own = "[[output.renditions]]\nname = \"a\"\nwidth = 640\nheight = 360\nbitrate = 800_000\n";
    assert_eq!(ladder(&format!("{short}{own}"), 64), [360]);
}

#[test]
fn every_mistake_names_line_key_and_what_is_allowed() {
    let cases = [
        (("\"127.0.0.1:8080\"", "\"localhost\""), "q.toml:1: key `listen`: ", "ADDRESS:PORT"),
        (("\"127.0.0.1:8080\"", "8080"), "q.toml:1: key `listen`: it is a whole number", "ADDRESS:PORT"),
        (("\"data\"", "\"\""), "q.toml:2: key `data_dir`: ", "path"),
        (("id = \"acme\"", "id = \"a/b\""), "q.toml:4: key `tenants[0].id`: ", "letters, digits"),
        (("id = \"acme\"\n", ""), "q.toml:3: key `tenants[0].id`: it is missing", "acme"),
        (("\"op-…\"", "\"sha256:12\""), "q.toml:5: key `tenants[0].operator_keys[0]`: ", "64 hexadecimal"),
        (("\"dev-…\"", "\"op-…\""), "q.toml:6: key `tenants[0].device_keys[0]`: this key is there", "each key"),
        (("id = \"nyk-bos\"", "id = \"\""), "q.toml:8: key `games[0].id`: ", "1 to 64"),
        (
            ("title =", "break_policy = \"squeeze\"\ntitle ="),
            "q.toml:9: key `games[0].break_policy`: \"squeeze\" is no break policy",
            "\"show\" and \"slate\"",
        ),
        (("title =", "titel ="), "q.toml:9: key `games[0].titel`: there is no such key", "`title`"),
        (("[\"file:///clips/a.mp4\"]", "[]"), "q.toml:10: key `games[0].sources`: there are 0", "1 to 8"),
        (("file:///clips/a.mp4", "ftp://a"), "q.toml:10: key `games[0].sources[0]`: ", "rtmp://"),
        (
            ("[\"file:///clips/a.mp4\"]", "\"file:///a.mp4\""),
            "q.toml:10: key `games[0].sources`: it is a text",
            "primary",
        ),
        (("fps = \"30\"", "fps = \"29\""), "q.toml:12: key `output.fps`: ", "60000/1001"),
        (("fps = \"30\"", "fps = 30"), "q.toml:12: key `output.fps`: it is a whole number", "in quotes"),
        (("= 60", "= 29"), "q.toml:13: key `output.segment_frames`: 29", "30 to 300"),
        (("= 60", "= 301"), "q.toml:13: key `output.segment_frames`: 301", "30 to 300"),
        (("name = \"1080p\"", "name = \"10 80\""), "q.toml:15: key `output.renditions[0].name`: ", "letters"),
        (("width = 1920", "width = 1919"), "q.toml:16: key `output.renditions[0].width`: 1919 is odd", "even number"),
        (("width = 1920", "width = 4000"), "q.toml:16: key `output.renditions[0].width`: 4000", "16 to 3840 pixels"),
        (("width = 1920", "width = -2"), "q.toml:16: key `output.renditions[0].width`: -2", "16 to 3840 pixels"),
        (
            ("width = 1920", "width = 1920.0"),
            "q.toml:16: key `output.renditions[0].width`: it is a number",
            "16 to 3840",
        ),
        (("height = 1080\n", ""), "q.toml:14: key `output.renditions[0].height`: it is missing", "even"),
        (("6_000_000", "60_000_000"), "q.toml:18: key `output.renditions[0].bitrate`: ", "100000 to 50000000"),
        (("listen", "listne"), "q.toml:1: key `listne`: there is no such key", "`listen`"),
        (("listen =", "compositor = \"fpga\"\nlisten ="), "q.toml:1: key `compositor`: ", "\"gpu\""),
        (("listen =", "feeds = \"away\"\nlisten ="), "q.toml:1: key `feeds`: ", "\"apart\""),
        (("[output]", "[output]\nwindow_s = 5"), "q.toml:12: key `output.window_s`: 5", "6 to 300"),
        (
            ("[output]", "[stitch]\nkeep_warm = \"yes\"\n[output]"),
            "q.toml:12: key `stitch.keep_warm`: ",
            "true or false",
        ),
        (("[output]", "[stitch]\ntile_preset = \"best\"\n[output]"), "q.toml:12: key `stitch.tile_preset`: ", "auto"),
        (("[output]", "[output]\npreset = \"placebo\""), "q.toml:12: key `output.preset`: ", "ultrafast"),
        (("[output]", "[sessions]\nidle_s = 1\n[output]"), "q.toml:12: key `sessions.idle_s`: 1", "10 to 600"),
        (("[[tenants]]", "[tenants]"), "q.toml:3: key `tenants`: it is a table", "[[tenants]]"),
        (
            ("[[games]]", "[[games]]\ntenants = [\"x\"]"),
            "key `games[0].tenants[0]`: there is no tenant \"x\"",
            "\"acme\"",
        ),
        (("fps = \"30\"", "fps = "), "q.toml:12: ", ""),
    ];
    for ((from, to), place, allowed) in cases {
        let message = refusal_with(from, to);
        assert!(message.contains(place) && message.contains(allowed), "{from} -> {to}: {message}");
    }
}

#[test]
fn cores_of_a_tenant_may_have_a_point() {
    let with = |cores: &str| {
        let limits = format!("[tenants.limits]\nmax_decoding_cores = {cores}\n[[games]]");
        parse(&CONTRACT.replacen("[[games]]", &limits, 1)).map_err(|e| e.to_string())
    };
    let read = |cores| with(cores).unwrap().tenants[0].limits.max_decoding_millicores;
    assert_eq!(["2", "1.5", "0.01", "1_000"].map(read), [Some(2000), Some(1500), Some(10), Some(1_000_000)]);
    for wrong in ["0", "0.009", "1000.1", "-1.0", "nan", "inf", "1e300"] {
        let said = with(wrong).unwrap_err();
        assert!(said.contains("max_decoding_cores") && said.contains("0.01 to 1000 cores is allowed"), "{said}");
    }
    assert!(with("\"2\"").unwrap_err().contains("must be a number"));
}

#[test]
fn all_mistakes_are_told_at_once_in_order_of_lines() {
    let text = CONTRACT.replace("8080", "x").replace("title", "name").replace("1920", "0").replace("= 60\n", "= 0\n");
    let errors = parse(&text).unwrap_err();
    let keys: Vec<_> = errors.mistakes.iter().map(|m| (m.line, m.key.as_str())).collect();
    let expected = [
        (1, "listen"),
        (7, "games[0].title"),
        (9, "games[0].name"),
        (13, "output.segment_frames"),
        (16, "output.renditions[0].width"),
    ];
    assert_eq!(keys, expected);
    assert_eq!(errors.to_string().lines().count(), expected.len());
}

#[test]
fn renditions_fall_in_width_and_keep_their_shape_and_names() {
    let second = |name: &str, width: u32, height: u32| {
        let rung =
            format!("[[output.renditions]]\nname = \"{name}\"\nwidth = {width}\nheight = {height}\nbitrate = 500000\n");
        parse(&format!("{CONTRACT}{rung}")).map_err(|e| e.to_string())
    };
    assert!(second("480p", 854, 480).is_ok());
    assert!(second("1080p", 960, 540).unwrap_err().contains("`output.renditions[1].name`"));
    assert!(second("big", 1920, 1080).unwrap_err().contains("less than 1920 is allowed"));
    assert!(second("square", 540, 540).unwrap_err().contains("the shape of the first, 1920x1080"));
    let many: String = (0..6)
        .map(|n| {
            format!(
                "[[output.renditions]]\nname = \"r{n}\"\nwidth = {}\nheight = {}\nbitrate = 500000\n",
                1600 - 160 * n,
                900 - 90 * n
            )
        })
        .collect();
    assert!(parse(&format!("{CONTRACT}{many}")).unwrap_err().to_string().contains("there are 7 renditions; 1 to 6"));
}

#[test]
fn renditions_in_hevc_come_behind_those_that_everything_plays() {
    let with = |codecs: &[(&str, u32, &str)]| {
        let rung = |(n, (name, height, codec)): (usize, &(&str, u32, &str))| {
            let (width, bitrate) = (height * 16 / 9, 500_000 + n);
            format!(
                "[[output.renditions]]\nname = \"{name}\"\nwidth = {width}\nheight = {height}\nbitrate = {bitrate}\n{codec}\n"
            )
        };
        let rungs: String = codecs.iter().enumerate().map(rung).collect();
        let before = &CONTRACT[..CONTRACT.find("[[output.renditions]]").unwrap()];
        parse(&format!("{before}{rungs}")).map_err(|e| e.to_string())
    };
    let (hevc, h264) = ("codec = \"hevc\"", "codec = \"h264\"");
    let config = with(&[("best", 720, hevc), ("720p", 720, h264), ("less", 360, hevc), ("360p", 360, "")]).unwrap();
    let ladder: Vec<_> = config.output.renditions.iter().map(|r| (r.name.as_str(), r.codec.name())).collect();
    assert_eq!(ladder, [("720p", "h264"), ("360p", "h264"), ("best", "hevc"), ("less", "hevc")]);
    let refused = with(&[("best", 720, hevc)]).unwrap_err();
    assert!(
        refused.contains("all renditions are in HEVC") && refused.contains("one in \"h264\" at least"),
        "{refused}"
    );
    let refused = with(&[("720p", 720, h264), ("best", 1080, hevc)]).unwrap_err();
    let rising = with(&[("360p", 360, h264), ("720p", 720, h264)]).unwrap_err();
    assert!(!rising.contains("HEVC"), "{rising}");
    assert!(refused.contains("wider than all in H.264") && refused.contains("1280 pixels"), "{refused}");
    let refused = with(&[("720p", 720, h264), ("a", 720, hevc), ("b", 720, hevc)]).unwrap_err();
    assert!(refused.contains("of a codec"), "{refused}");
    let hdr = "codec = \"hevc\"\nrange = \"pq\"";
    let config = with(&[("hdr", 720, hdr), ("720p", 720, "range = \"sdr\""), ("half", 720, hevc)]).unwrap();
    let ladder: Vec<_> = config.output.renditions.iter().map(|r| (r.name.as_str(), r.is_hdr())).collect();
    assert_eq!(ladder, [("720p", false), ("half", false), ("hdr", true)]);
    let refused = with(&[("720p", 720, "range = \"pq\"")]).unwrap_err();
    assert!(refused.contains("`output.renditions[0].range`") && refused.contains("with codec = \"hevc\""), "{refused}");
    let refused = with(&[("720p", 720, "range = \"hdr\"")]).unwrap_err();
    let allowed = "\"sdr\", \"pq\" and \"hlg\" are allowed";
    assert!(refused.contains("\"hdr\" is no range") && refused.contains(allowed), "{refused}");
    let hlg = "codec = \"hevc\"\nrange = \"hlg\"";
    let config = with(&[("720p", 720, ""), ("pq", 720, hdr), ("hlg", 720, hlg)]).unwrap();
    let codecs: Vec<_> = config.output.renditions.iter().map(|r| r.codec.name()).collect();
    assert_eq!(codecs, ["h264", "hevc-pq", "hevc-hlg"], "each has widths of its own");
    let refused = with(&[("720p", 720, "codec = \"av1\"")]).unwrap_err();
    assert!(
        refused.contains("\"av1\" is no codec") && refused.contains("\"h264\" and \"hevc\" are allowed"),
        "{refused}"
    );
}

#[test]
fn ids_are_unique() {
    let twice = |part: &str| parse(&format!("{CONTRACT}{part}")).unwrap_err().to_string();
    let game = "[[games]]\nid = \"nyk-bos\"\ntitle = \"T\"\nsources = [\"test://ball\"]\n";
    assert!(twice(game).contains("q.toml:19: key `games[1]`: there is a game \"nyk-bos\" already"), "{}", twice(game));
    let tenant = "[[tenants]]\nid = \"acme\"\ndevice_keys = [\"other\"]\n";
    assert!(twice(tenant).contains("there is a tenant \"acme\" already"));
}

#[test]
fn a_secret_is_never_in_a_message() {
    let message = refusal_with("\"op-…\"", "\"op secret\"");
    assert!(message.contains("operator_keys[0]") && !message.contains("secret"), "{message}");
    let debug = format!("{:?}", parse(CONTRACT).unwrap());
    assert!(!debug.contains("op-…"));
}

#[test]
fn a_hostile_file_gives_a_bounded_list() {
    let keys: String = (0..500).map(|n| format!("key{n} = 1\n")).collect();
    assert_eq!(parse(&keys).unwrap_err().mistakes.len(), 100);
    assert!(parse("").unwrap_err().to_string().contains("key `tenants`: it is missing"));
    assert!(parse("\u{0}").is_err());
}

#[test]
fn the_demo_has_six_games_that_differ() {
    let demo = Config::demo();
    assert_eq!((demo.listen.to_string().as_str(), demo.games.len()), ("127.0.0.1:8080", 6));
    let ring = Keyring::new(&demo.tenants);
    let holder = |key: &str| ring.find(key).map(|h| (&*h.tenant, h.role));
    assert_eq!(holder("demo-operator"), Some(("demo", KeyRole::Operator)));
    assert_eq!(holder("demo-device"), Some(("demo", KeyRole::Device)));
    let distinct = |what: &dyn Fn(&Game) -> String| demo.games.iter().map(what).collect::<BTreeSet<_>>().len();
    assert_eq!(distinct(&|g| g.id.clone()), 6);
    assert_eq!(distinct(&|g| g.title.clone()), 6);
    // Pattern, size and tone.
    assert_eq!(distinct(&|g| g.sources[0].as_str().to_owned()), 6);
    assert_eq!(demo.output, Output::default());
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let error = Config::load(Path::new("/nowhere/q.toml")).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/q.toml: cannot be read"), "{error}");
}

const TARIFF: &str = "[[tariffs]]\nvalid_from = \"2026-12-01\"\ncurrency = \"EUR\"\nrounding = \"sum_then_ceil\"\nfree_minutes = 10\n\
    slate = \"any_off_free\"\n[[tariffs.prices]]\ntier = \"1080p\"\nengine = \"stitch\"\ngames = 4\nper_minute = \"0.006\"\n\
    [[tariffs.prices]]\nper_minute = \"0.004\"\n[[tariffs.steps]]\nabove_minutes = 1000\npercent_off = \"12.5\"\n";

#[test]
fn tariffs_are_read_for_one_tenant_or_for_all_others() {
    let own = TARIFF.replace("[[tariffs]]\n", "[[tariffs]]\ntenant = \"acme\"\n").replace("EUR", "USD");
    let config = parse(&format!("{CONTRACT}{TARIFF}")).unwrap();
    let list = config.prices.of("acme");
    let [tariff] = list.tariffs() else { panic!("{list:?}") };
    assert_eq!(
        (tariff.currency.as_str(), tariff.free_minutes, tariff.prices.len(), tariff.steps.len()),
        ("EUR", 10, 2, 1)
    );
    assert_eq!(tariff.valid_from_ms, 1_796_083_200_000);
    let both = parse(&format!("{CONTRACT}{TARIFF}{own}")).unwrap();
    assert_eq!(both.prices.of("acme").tariffs()[0].currency, "USD");
    assert!(both.prices.of("somebody else").is_empty());
}

#[test]
fn a_mistake_in_a_tariff_is_named() {
    let refused = |from: &str, to: &str| {
        assert!(TARIFF.contains(from), "{from}");
        parse(&format!("{CONTRACT}{}", TARIFF.replacen(from, to, 1))).unwrap_err().to_string()
    };
    for (from, to, said) in [
        ("2026-12-01", "2026-12-01T00:30:00Z", "is not a whole hour"),
        ("2026-12-01", "soon", "is not a time"),
        ("EUR", "euro", "ISO 4217"),
        ("currency = \"EUR\"\n", "", "tariffs[0].currency`: it is missing"),
        ("sum_then_ceil", "up", "\"started_minute\""),
        ("any_off_free", "free", "\"all_off_free\""),
        ("engine = \"stitch\"", "engine = \"magic\"", "tariffs[0].prices[0].engine"),
        ("games = 4", "games = 5", "1 to 4 games is allowed"),
        ("\"0.006\"", "0.006", "it is a number with a point"),
        ("\"0.006\"", "\"0.0000001\"", "six decimals"),
        ("\"12.5\"", "\"120\"", "120 percent cannot be taken off"),
        ("[[tariffs.prices]]\nper_minute = \"0.004\"\n", "", "does not fit every minute"),
        ("[[tariffs]]\n", "[[tariffs]]\ntenant = \"nobody\"\n", "there is no tenant \"nobody\""),
        ("free_minutes", "free", "there is no such key"),
    ] {
        let message = refused(from, to);
        assert!(message.contains(said), "{from} -> {to}: {message}");
    }
    let twice = parse(&format!("{CONTRACT}{TARIFF}{TARIFF}")).unwrap_err().to_string();
    assert!(twice.contains("valid from the same hour"), "{twice}");
}

#[test]
fn markets_and_keys_with_terms_are_read_and_their_mistakes_named() {
    use crate::market::{DecidedFor, Feature, Market, MarketBreakPolicy, MarketBreaks, Tier};
    let text = "[[tenants]]\nid = \"a\"\ndevice_keys = [\"k\"]\n[[tenants.keys]]\nkey = \"free\"\nmarket = \"de\"\n\
        max_height = 540\nfeatures = []\n[[markets]]\ntenant = \"a\"\nid = \"de\"\ntitle = \"Germany\"\n\
        sound_language = \"de\"\ngames = [\"g\"]\nregions = [\"GB\", \"IE\"]\nmax_height = 720\nskin = \"gold\"\nfeatures = [\"dolby\"]\n\
        [markets.breaks]\npolicy = \"advertisement\"\ndecision_url = \"https://ads.example/v?r=[CACHEBUSTING]\"\ndecided_for = \"session\"\n";
    let config = Config::parse(text, Path::new("q.toml")).unwrap();
    let tier = Tier { max_height: Some(720), features: Some([Feature::Dolby].into()) };
    let market = Market {
        id: "de".into(),
        title: "Germany".into(),
        sound_language: Some("de".into()),
        text_language: None,
        games: Some(vec!["g".into()]),
        regions: Some(vec!["GB".into(), "IE".into()]),
        skin: Some("gold".into()),
        breaks: MarketBreaks {
            policy: MarketBreakPolicy::Advertisement,
            decision_url: Some("https://ads.example/v?r=[CACHEBUSTING]".into()),
            decided_for: DecidedFor::Session,
            ..MarketBreaks::default()
        },
        tier,
    };
    assert_eq!(config.markets, [("a".to_owned(), market)]);
    let (key, terms) = &config.tenants[0].keys[0];
    assert!(key.matches("free"));
    let none = Tier { max_height: Some(540), features: Some([].into()) };
    assert_eq!((terms.market.as_deref(), &terms.tier), (Some("de"), &none));

    for (change, says) in [
        (("key = \"free\"", "key = \"k\""), "this key is there already"),
        (("[\"dolby\"]", "[\"8k\"]"), "\"low_latency\", \"dolby\" and \"hdr\" are allowed"),
        (("tenant = \"a\"", "tenant = \"b\""), "there is no tenant \"b\""),
        (("max_height = 720", "max_height = 100"), "`max_height`: 100 is not allowed"),
        (("sound_language = \"de\"", "sound_language = \"d e\""), "`sound_language`: \"d e\" is no language"),
        (("\"IE\"", "\"UK\""), "`regions[1]`: \"UK\" is no region; the code of a country is allowed"),
        (("\"GB\", \"IE\"", ""), "`regions`: there are 0 regions; 1 to 249 are allowed"),
        (("title = \"Germany\"", "name = \"x\""), "key `markets[0].title`: it is missing"),
        (("\"advertisement\"", "\"adverts\""), "\"programme\", \"slate\", \"advertisement\" and \"squeeze_back\""),
        (("decision_url", "decisions"), "there is no such key"),
        (("\"https://ads", "\"ftp://ads"), "`breaks.decision_url`: http://HOST"),
        (("\"https://ads", "\"https://a:b@ads"), "without a user or password"),
        (("\"advertisement\"", "\"slate\""), "`breaks.decision_url`: a policy \"slate\" asks nobody"),
        (
            ("decided_for = \"session\"", "layout = \"1L\""),
            "`breaks.layout`: a policy \"advertisement\" shows no other",
        ),
        (
            (
                "\"advertisement\"\ndecision_url = \"https://ads.example/v?r=[CACHEBUSTING]\"\ndecided_for = \"session\"",
                "\"squeeze_back\"",
            ),
            "`breaks.layout`: a policy \"squeeze_back\" needs it",
        ),
    ] {
        let wrong = text.replacen(change.0, change.1, 1);
        let message = Config::parse(&wrong, Path::new("q.toml")).unwrap_err().to_string();
        assert!(message.contains(says), "{change:?}: {message}");
    }
    let twice = format!("{text}[[markets]]\ntenant = \"a\"\nid = \"de\"\ntitle = \"Again\"\n");
    let message = Config::parse(&twice, Path::new("q.toml")).unwrap_err().to_string();
    assert!(message.contains("market \"de\" already"), "{message}");
}

#[test]
fn rights_of_games_are_read_and_their_mistakes_named() {
    let with = |rights: &str| CONTRACT.replace("[output]", &format!("[games.rights]\n{rights}\n[output]"));
    let all = "regions = [\"GB\", \"IE\"]\ndevice_classes = [\"tv\"]\nmarkets = [\"isles\"]\nfrom = \"2026-11-27T19:00:00Z\"\nuntil = \"2026-11-27T22:00:00Z\"";
    let rights = parse(&with(all)).unwrap().games[0].rights.clone();
    assert_eq!(rights.regions.unwrap(), ["GB", "IE"]);
    assert_eq!(
        (rights.device_classes.unwrap(), rights.markets.unwrap()),
        (vec!["tv".to_owned()], vec!["isles".to_owned()])
    );
    assert_eq!(rights.until_ms.unwrap() - rights.from_ms.unwrap(), 3 * 3_600_000);
    assert!(parse(CONTRACT).unwrap().games[0].rights.is_open());
    for (wrong, said) in [
        ("regions = [\"UK\"]", "regions[0]"),
        ("markets = []", "1 to 500 are allowed"),
        ("until = \"soon\"", "games[0].rights.until"),
        ("from = 7", "2026-11-27T19:30:00Z"),
        ("from = \"2026-11-27T22:00:00Z\"\nuntil = \"2026-11-27T21:00:00Z\"", "not after `from`"),
        ("country = \"GB\"", "there is no such key"),
    ] {
        let message = parse(&with(wrong)).unwrap_err().to_string();
        assert!(message.contains(said), "{wrong}: {message}");
    }
}
