//! Clips, of which a double of what decodes them reads greys out of files that hold nothing else.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::frame::Colour;

/// In front of the greys, so that the file is an MP4.
const HEAD: &[u8] = b"\0\0\0\x10ftypisom\0\0\0\0";

/// A file of greys, each for so many milliseconds.
fn clip(greys: &[(u8, u16)]) -> Vec<u8> {
    let each = greys.iter().flat_map(|(level, ms)| [vec![*level], ms.to_be_bytes().to_vec()].concat());
    HEAD.iter().copied().chain(each).collect()
}

#[derive(Default)]
struct Greys {
    shows: AtomicU32,
    has_sound: bool,
    codec: Option<&'static str>,
    fails: Option<NotShown>,
}

fn solid(level: u8, (width, height): (u32, u32)) -> Option<Picture> {
    let luma = (width * height) as usize;
    let planes = [vec![level; luma], vec![128; luma / 4], vec![128; luma / 4]];
    Picture::from_planes(width, height, Colour::CANVAS, planes)
}

impl Films for Greys {
    fn show(&self, file: &Path, again: bool, each: &mut EachPicture<'_>) -> Result<FilmFacts, NotShown> {
        self.shows.fetch_add(1, Ordering::Relaxed);
        if let Some(failed) = &self.fails {
            return Err(failed.clone());
        }
        let facts = || FilmFacts { has_sound: self.has_sound, codec: self.codec.map(str::to_owned) };
        let bytes = std::fs::read(file).map_err(|error| NotShown::of_moment(error.to_string()))?;
        let greys = bytes[HEAD.len()..].as_chunks::<3>().0;
        let mut at = Duration::ZERO;
        loop {
            for [level, high, low] in greys {
                if each(at, &solid(*level, (64, 36)).unwrap()).is_break() {
                    return Ok(facts());
                }
                at += Duration::from_millis(u16::from_be_bytes([*high, *low]).into());
            }
            if !again || greys.is_empty() {
                return Ok(facts());
            }
        }
    }

    fn draw(&self, picture: &Picture, size: (u32, u32), _: [u8; 3]) -> Option<Picture> {
        solid(picture.row(0, 0)[0], size)
    }
}

fn open(dir: &Path, films: Greys) -> (Arc<Assets>, Arc<Greys>) {
    let films = Arc::new(films);
    (Assets::open_as(dir.to_owned(), AssetLimits::default(), Box::new(Inside), Some(films.clone())).unwrap(), films)
}

#[test]
fn a_clip_is_looked_at_to_its_end_and_shown_over_and_over_in_one_decode() {
    let dir = tempfile::tempdir().unwrap();
    let (assets, films) = open(dir.path(), Greys { has_sound: true, ..Greys::default() });
    let bytes = clip(&[(40, 100), (100, 50), (160, 150), (220, 100)]);
    let asset = assets.add("acme", &bytes, Some("video/mp4")).unwrap().0;
    assert_eq!((asset.kind, asset.width, asset.height, asset.pictures), (AssetType::Mp4, 64, 36, 4));
    // The last one is there for as long as the others are, as a mean.
    assert_eq!((asset.duration_s, asset.has_sound, asset.loops), (0.4, true, None));
    assert_eq!(std::fs::read_dir(dir.path().join("acme")).unwrap().count(), 2, "nothing else stays of it");
    let whole = Rect { x: 0, y: 0, width: 32, height: 18 };
    let piece = |part| Piece { asset: asset.id, whole, part, background: [0; 3] };
    let pieces = [piece(whole), piece(Rect { x: 8, y: 2, width: 4, height: 4 })];
    assert_eq!(assets.picture(&pieces[1]).unwrap().row(0, 0)[0], 40, "by itself it is its first picture");
    let before = films.shows.load(Ordering::Relaxed);
    let mut seen = [Vec::new(), Vec::new()];
    let timing = (assets.length(&asset.id).unwrap(), Duration::from_millis(50), 18);
    let play = |assets: &Assets, seen: &mut [Vec<u8>; 2]| {
        assets.play(&pieces, timing, |nth, picture| {
            assert_eq!((picture.width, picture.height), [(32, 18), (4, 4)][nth]);
            seen[nth].push(picture.row(0, 1)[1]);
            Ok(())
        })
    };
    play(&assets, &mut seen).unwrap();
    let once = [40, 40, 100, 160, 160, 160, 220, 220];
    let expected: Vec<u8> = once.iter().cycle().take(18).copied().collect();
    assert_eq!(seen, [expected.clone(), expected.clone()]);
    assert_eq!(films.shows.load(Ordering::Relaxed), before + 1);
    assert_eq!(assets.play(&pieces, timing, |_, _| Err(NotShown::of_file("enough"))), Err(NotShown::of_file("enough")));
    // Over a game it hides it.
    let overlay = assets.overlay(&pieces[0], whole).unwrap();
    let over = lay_over(&solid(200, (32, 18)).unwrap(), &[overlay]);
    assert!(over.row(0, 9).iter().all(|sample| sample.abs_diff(40) <= 1), "{:?}", over.row(0, 9));
    // What it is outlives the process.
    drop(assets);
    let (again, _) = open(dir.path(), Greys::default());
    assert_eq!(again.get("acme", &asset.id), Some(asset.clone()));
    let mut seen = [Vec::new(), Vec::new()];
    play(&again, &mut seen).unwrap();
    assert_eq!(seen[0], expected);
    let without = Assets::open(dir.path().to_owned(), AssetLimits::default()).unwrap();
    let refused = without.add("acme", &clip(&[(1, 1), (2, 1)]), None).unwrap_err().to_string();
    assert!(refused.contains("nothing here decodes clips"), "{refused}");
}

#[test]
fn a_clip_that_is_too_much_or_too_little_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (assets, _) = open(dir.path(), Greys::default());
    let cases = [
        (clip(&[]), "it has no picture"),
        (clip(&[(9, 40)]), "has one picture"),
        (clip(&[(9, 0), (9, 0), (9, 0)]), "all are due at once"),
        (clip(&[(9, 31_000), (9, 40)]), "too long: 30 s, 1800 pictures"),
        (clip(&[(9, 20_000), (9, 40)]), "too long"),
        (clip(&[(9, 1); 1801]), "too long"),
        // As it lies there where a download broke off.
        ([HEAD, b"\0\0\x04\0mdat", &[0; 30]].concat(), "is cut off"),
    ];
    for (bytes, why) in cases {
        let refused = assets.add("acme", &bytes, None).unwrap_err();
        assert!(matches!(refused, AssetError::Clip(_)) && refused.to_string().contains(why), "{why}: {refused}");
    }
    assert!(assets.list("acme").is_empty() && std::fs::read_dir(dir.path().join("acme")).unwrap().count() == 0);
    assert!(assets.add("acme", &clip(&[(9, 15_000), (9, 40)]), None).is_ok());
    assert!(assets.add("acme", &clip(&[(9, 16); 1800]), None).is_ok());
}

#[test]
fn what_clips_may_be_coded_in_is_what_is_told() {
    let (dir, bytes) = (tempfile::tempdir().unwrap(), clip(&[(9, 40), (9, 40)]));
    let refused = |codec| {
        let (assets, _) = open(dir.path(), Greys { codec: Some(codec), ..Greys::default() });
        let id = AssetId::of(&bytes);
        let added = assets.add("acme", &bytes, None);
        if added.is_ok() {
            assets.delete("acme", &id).unwrap();
        }
        added.err().map(|error| error.to_string())
    };
    for codec in ["h264", "hevc", "vp8", "vp9", "av1", "mpeg2", "mpeg4"] {
        assert_eq!(refused(codec), None, "{codec}");
    }
    let told = film::codecs_told();
    for codec in ["mpeg1", "raw", "mjpeg"] {
        let why = refused(codec).unwrap();
        assert!(why.contains(&format!("coded in {codec}")) && why.contains(&told), "{why}");
    }
    assert!(told.ends_with(", MPEG-2 or MPEG-4 Part 2"), "{told}");
    assert!(include_str!("../../docs/skins.md").contains(&told), "docs/skins.md tells another list than {told}");
}

#[test]
fn a_clip_that_cannot_be_decoded_now_is_not_refused_for_good() {
    let (dir, bytes) = (tempfile::tempdir().unwrap(), clip(&[(9, 40), (9, 40)]));
    let refused = |fault| {
        let fails = Some(NotShown { why: "no reason".into(), fault });
        open(dir.path(), Greys { fails, ..Greys::default() }).0.add("acme", &bytes, None).unwrap_err()
    };
    assert_eq!(refused(Fault::Moment), AssetError::NotNow("no reason".into()));
    for fault in [Fault::File, Fault::Unknown] {
        assert!(matches!(refused(fault), AssetError::Clip(why) if why.starts_with("cannot be decoded: no reason;")));
    }
    // Nor is its first picture: of what is there nobody says for a minute that it cannot be shown.
    let (assets, _) = open(dir.path(), Greys::default());
    let id = assets.add("acme", &bytes, None).unwrap().0.id;
    let whole = Rect { x: 0, y: 0, width: 32, height: 18 };
    let piece = Piece { asset: id, whole, part: whole, background: [0; 3] };
    for fault in [Fault::Moment, Fault::File] {
        let fails = Some(NotShown { why: "no reason".into(), fault });
        let (assets, films) = open(dir.path(), Greys { fails, ..Greys::default() });
        let shows = [0; 2].map(|_| {
            assert!(assets.picture(&piece).is_none());
            films.shows.load(Ordering::Relaxed)
        });
        assert_eq!(shows, if fault == Fault::Moment { [1, 2] } else { [1, 1] }, "{fault:?}");
    }
}

#[test]
fn what_a_file_is_its_first_bytes_say() {
    let packets = [&[0x47][..], &[0; 187], &[0x47], &[0; 187], &[0x47, 0]].concat();
    let cases: [(&[u8], Option<AssetType>); 6] = [
        (HEAD, Some(AssetType::Mp4)),
        (b"\x1a\x45\xdf\xa3\x01\x42\x82\x84webm", Some(AssetType::WebM)),
        (b"\x1a\x45\xdf\xa3\x01\x42\x82\x88matroska", None),
        (&packets, Some(AssetType::Ts)),
        (&packets[..300], None),
        (b"", None),
    ];
    for (bytes, kind) in cases {
        assert_eq!(film::kind_of(bytes), kind, "{:?}", &bytes[..bytes.len().min(16)]);
    }
    for kind in AssetType::ALL {
        let clips = [AssetType::Mp4, AssetType::WebM, AssetType::Ts];
        assert_eq!(kind.is_clip(), clips.contains(&kind));
        assert_eq!(kind.media_type().starts_with("video/"), kind.is_clip());
    }
}

#[test]
fn what_was_made_stays_for_the_next_process_as_long_as_its_asset_does() {
    let dir = tempfile::tempdir().unwrap();
    let (assets, _) = open(dir.path(), Greys::default());
    let id = assets.add("acme", &clip(&[(9, 40), (9, 40)]), None).unwrap().0.id;
    assert_eq!(assets.made(&id, "a.loop"), None);
    assets.keep_made(&id, "a.loop", b"loop");
    drop(assets);
    let (assets, _) = open(dir.path(), Greys::default());
    assert_eq!(assets.made(&id, "a.loop").as_deref(), Some(&b"loop"[..]));
    let folder = dir.path().join("acme/made").join(id.to_string());
    for damaged in [&b""[..], &[0; 31], &[0; 40]] {
        std::fs::write(folder.join("a.loop"), damaged).unwrap();
        assert_eq!(assets.made(&id, "a.loop"), None);
    }
    let far = AssetLoops { wanted: 2, made: 1, failed: 0, retried: 0, percent: 50 };
    assets.loops_are(id, far);
    assert_eq!(assets.get("acme", &id).unwrap().loops, Some(far));
    assert_eq!(assets.delete("acme", &id), Ok(()));
    assert!(!folder.exists() && assets.loops_of(&id).is_none());
    assets.keep_made(&id, "a.loop", b"loop");
    assert!(!folder.exists(), "of what is not there nothing is kept");
}

#[test]
fn what_was_asked_for_longest_ago_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open(dir.path().to_owned()).unwrap();
    let id = |n: u8| AssetId([n; 32]);
    let path = |n: u8| dir.path().join("acme/made").join(id(n).to_string()).join("x.loop");
    let aged = |n: u8, s: u64| {
        let at = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(s);
        std::fs::File::open(path(n)).unwrap().set_modified(at).unwrap();
    };
    for n in 0..3 {
        folder.write_made("acme", &id(n), "x.loop", &[0; 300], 1000).unwrap();
        aged(n, 100 + u64::from(n));
    }
    assert!((0..3).all(|n| path(n).exists()));
    // Being read makes it the newest.
    assert_eq!(folder.read_made("acme", &id(0), "x.loop").unwrap().len(), 300);
    folder.write_made("acme", &id(3), "x.loop", &[0; 300], 1000).unwrap();
    assert_eq!([0, 1, 2, 3].map(|n| path(n).exists()), [true, false, true, true]);
    folder.write_made("acme", &id(4), "x.loop", &[0; 5000], 1000).unwrap();
    assert_eq!([0, 2, 3, 4].map(|n| path(n).exists()), [false, false, false, true], "one has all the room if it must");
}

#[test]
fn who_follows_skins_is_told_of_those_that_there_are_and_of_those_that_come() {
    let dir = tempfile::tempdir().unwrap();
    let (assets, _) = open(dir.path(), Greys::default());
    let skin = |id: &str| Skin { id: id.into(), art: BTreeMap::new(), origin: SkinOrigin::Operator };
    assets.put_skin("acme", skin("red")).unwrap();
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let its = told.clone();
    assets.follow_skins(move |skin| its.lock().push(skin.id.clone()));
    assets.put_skin("other", skin("blue")).unwrap();
    assets.put_skin("acme", skin("red")).unwrap();
    assert!(
        assets
            .put_skin("acme", Skin { art: BTreeMap::from([("frame".into(), AssetId([1; 32]))]), ..skin("x") })
            .is_err()
    );
    assert_eq!(*told.lock(), ["red", "blue", "red"]);
}
