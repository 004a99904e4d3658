use std::io::Cursor;
use std::time::Duration;

use image::{ImageFormat, Rgba, RgbaImage};
use proptest::prelude::*;

use super::draws::{Art, Checked, Each};
use super::testing::{apng, webp};
use super::*;

fn file(picture: &RgbaImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    match format {
        ImageFormat::Jpeg => image::DynamicImage::from(picture.clone()).to_rgb8().write_to(&mut bytes, format).unwrap(),
        _ => picture.write_to(&mut bytes, format).unwrap(),
    }
    bytes.into_inner()
}

fn png(width: u32, height: u32, rgba: [u8; 4]) -> Vec<u8> {
    file(&RgbaImage::from_pixel(width, height, Rgba(rgba)), ImageFormat::Png)
}

fn svg(inside: &str) -> Vec<u8> {
    let root = "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\"";
    format!("{root} width=\"64\" height=\"36\">{inside}</svg>").into_bytes()
}

fn open(dir: &std::path::Path) -> Arc<Assets> {
    Assets::open(dir.to_owned(), AssetLimits { file_bytes: 100_000, tenant_bytes: 150_000 }).unwrap()
}

/// A chunk of a PNG.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat()
}

/// A PNG that says it is so large, and has `rest` behind its header.
fn claiming(width: u32, height: u32, depth: u8, rest: &[u8]) -> Vec<u8> {
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, 6, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n", &chunk(b"IHDR", &head)[..], rest].concat()
}

#[test]
fn a_file_is_kept_under_its_digest_for_its_tenant_alone_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (assets, red) = (open(dir.path()), png(64, 36, [255, 0, 0, 255]));
    let (asset, is_new) = assets.add("acme", &red, Some("image/png")).unwrap();
    assert!(is_new && asset.id == AssetId::of(&red));
    assert_eq!((asset.kind, asset.width, asset.height, asset.bytes), (AssetType::Png, 64, 36, red.len() as u64));
    assert_eq!(assets.add("acme", &red, None), Ok((asset.clone(), false)), "the same again is the same");
    assert_eq!((assets.get("acme", &asset.id), assets.get("other", &asset.id)), (Some(asset.clone()), None));
    let art = BTreeMap::from([("frame".to_owned(), asset.id)]);
    let skin = Skin { id: "red".into(), art, origin: SkinOrigin::Operator };
    assert_eq!(assets.put_skin("other", skin.clone()), Err(AssetError::Unknown(asset.id)), "another tenant's");
    assert_eq!(assets.put_skin("acme", skin.clone()), Ok(true));
    assert_eq!(assets.put_skin("acme", skin.clone()), Ok(false));
    // What a process that was killed may leave.
    std::fs::write(dir.path().join("acme").join(AssetId::of(b"half").to_string()), "half").unwrap();
    std::fs::write(dir.path().join("acme").join("x.new"), "half").unwrap();
    drop(assets);
    let again = open(dir.path());
    assert_eq!(again.list("acme"), std::slice::from_ref(&asset));
    assert_eq!(again.skin("acme", "red").as_deref(), Some(&skin));
    assert!(again.skin("other", "red").is_none() && again.skins("other").is_empty() && again.list("other").is_empty());
    assert_eq!(std::fs::read_dir(dir.path().join("acme")).unwrap().count(), 3, "the file, what it is, and skins");
    assert_eq!(again.delete("acme", &asset.id), Err(AssetError::InUse("skin \"red\"".into())));
    assert_eq!(again.delete("other", &asset.id), Err(AssetError::Unknown(asset.id)));
    assert_eq!(again.delete_skin("other", "red"), Err(AssetError::SkinUnknown("red".into())));
    assert_eq!(again.delete_skin("acme", "red"), Ok(()));
    assert_eq!(again.delete("acme", &asset.id), Ok(()));
    assert!(open(dir.path()).list("acme").is_empty());
}

/// Reads every file, and draws none, for one reason after the other.
struct CannotDraw(Mutex<Vec<AssetError>>);

impl Draws for CannotDraw {
    fn check(&self, art: Art<'_>, stop: &Stop) -> Result<Checked, AssetError> {
        Inside.check(art, stop)
    }

    fn still(&self, _: Art<'_>, _: (u32, u32), _: &Stop) -> Result<check::Read, AssetError> {
        Err(self.0.lock().remove(0))
    }

    fn moving(&self, _: Art<'_>, _: &[(u32, u32)], _: Each<'_>) -> Result<(), AssetError> {
        Err(self.0.lock().remove(0))
    }
}

#[test]
fn a_preview_that_cannot_be_drawn_says_why_each_time() {
    let too_long = AssetError::Svg("takes more than 0.5 s to draw".to_owned());
    let why = [AssetError::NoProcess, too_long.clone(), AssetError::Gone];
    let dir = tempfile::tempdir().unwrap();
    let draws = Box::new(CannotDraw(Mutex::new(why.into())));
    let assets = Assets::open_as(dir.path().to_owned(), AssetLimits::default(), draws, None).unwrap();
    let (asset, _) = assets.add("acme", &png(64, 36, [255, 0, 0, 255]), None).unwrap();
    let layout = crate::layout::Layouts::bundled().get("1F").unwrap();
    let preview = |tenant: &str| assets.preview(tenant, &asset.id, &layout, "frame", &Stop::default()).map(|_| ());
    assert_eq!(preview("acme"), Err(AssetError::NoProcess));
    assert_eq!(preview("acme"), Err(too_long.clone()), "no process is of the moment");
    assert_eq!(preview("acme"), Err(too_long), "what lies with the file is not tried again at once");
    assert_eq!(preview("other"), Err(AssetError::Unknown(asset.id)));
}

#[test]
fn a_skin_of_the_configuration_is_read_only_and_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let assets = open(dir.path());
    let skin = |origin| Skin { id: "red".into(), art: BTreeMap::new(), origin };
    assert_eq!(assets.put_skin("acme", skin(SkinOrigin::Config)), Ok(true));
    let refused = Err(AssetError::SkinReadOnly("red".into()));
    assert_eq!(assets.put_skin("acme", skin(SkinOrigin::Operator)).map(|_| ()), refused);
    assert_eq!(assets.delete_skin("acme", "red"), refused);
    assert!(open(dir.path()).skins("acme").is_empty());
}

#[test]
fn what_is_too_much_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let assets = open(dir.path());
    let noise = |seed: u32| {
        let pixel = |x: u32, y: u32| {
            let v = (x * 7919 + y * 104_729 + seed).wrapping_mul(2_654_435_761);
            Rgba([(v >> 24) as u8, (v >> 16) as u8, (v >> 8) as u8, 255])
        };
        file(&RgbaImage::from_fn(160, 160, pixel), ImageFormat::Png)
    };
    let large = vec![0; 100_001];
    assert_eq!(assets.add("acme", &large, None), Err(AssetError::TooLarge { bytes: 100_001, limit: 100_000 }));
    assert!(assets.add("acme", &noise(1), None).is_ok());
    assert!(matches!(assets.add("acme", &noise(2), None), Err(AssetError::Full { limit: 150_000, .. })));
    assert!(assets.add("other", &noise(2), None).is_ok(), "each tenant has its own");
}

#[test]
fn pictures_that_are_none_are_refused_with_what_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let assets = open(dir.path());
    let sound = png(64, 36, [9, 9, 9, 255]);
    let moving = [&sound[..33], &chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]), &sound[33..]].concat();
    let jpeg = file(&RgbaImage::from_pixel(64, 36, Rgba([9, 9, 9, 255])), ImageFormat::Jpeg);
    let cases: [(Vec<u8>, &str); 11] = [
        (b"GIF89a".to_vec(), "no PNG, JPEG, SVG, WebP, MP4, WebM or MPEG-TS"),
        (Vec::new(), "no PNG, JPEG, SVG, WebP, MP4, WebM or MPEG-TS"),
        (claiming(100_000, 100_000, 8, &[]), "100000x100000; 1x1 to 4096x4096"),
        (claiming(4096, 4096, 8, &chunk(b"IDAT", &[])), "8847360 pixels are allowed"),
        (claiming(4096, 2160, 16, &chunk(b"IDAT", &[])), "cannot be read"),
        (claiming(0, 36, 8, &chunk(b"IDAT", &[])), "0x36"),
        (sound[..sound.len() / 2].to_vec(), "cannot be read"),
        // It says that it moves, and has no second picture.
        (moving, "cannot be read"),
        (apng(64, 36, &[10; 40], 1000), "and 30 s are allowed"),
        (apng(4, 4, &[10; 601], 10), "600 pictures"),
        (jpeg[..jpeg.len() / 3].to_vec(), "cannot be read"),
    ];
    for (bytes, allowed) in cases {
        let refused = assets.add("acme", &bytes, None).unwrap_err().to_string();
        assert!(refused.contains(allowed), "{refused}");
    }
    let other = assets.add("acme", &sound, Some("image/jpeg")).unwrap_err();
    assert_eq!(other, AssetError::OtherType { found: AssetType::Png, given: "image/jpeg".into() });
    assert!(assets.add("acme", &jpeg, None).is_ok());
    assert_eq!(assets.list("acme").len(), 1);
}

#[test]
fn an_svg_holds_all_of_itself_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let assets = open(dir.path());
    let doubling = |levels: usize| {
        let group = |n: usize| format!("<g id=\"g{n}\"><use href=\"#g{}\"/><use href=\"#g{}\"/></g>", n - 1, n - 1);
        let groups: String = (1..=levels).map(group).collect();
        svg(&format!("<defs><rect id=\"g0\" width=\"1\" height=\"1\"/>{groups}</defs><use href=\"#g{levels}\"/>"))
    };
    let entity = b"<!DOCTYPE svg [<!ENTITY a \"aaaa\">]><svg xmlns=\"http://www.w3.org/2000/svg\">&a;</svg>".to_vec();
    let path = format!("<path id=\"p\" d=\"M0 0{}\"/>", "L9 9".repeat(20_000));
    let refused: [(Vec<u8>, &str); 18] = [
        (svg(&format!("<defs>{path}</defs>{}", "<use href=\"#p\"/>".repeat(100))), "bytes of attributes"),
        (svg("<image href=\"file:///etc/passwd\" width=\"9\" height=\"9\"/>"), "<image>"),
        (svg("<text>no fonts</text>"), "make paths"),
        (svg("<script>1</script>"), "<script>"),
        (svg("<foreignObject/>"), "<foreignObject>"),
        (svg("<filter id=\"f\"/>"), "<filter>"),
        (svg("<use href=\"http://example.com/a.svg#a\"/>"), "outside itself"),
        (svg("<use xlink:href=\"a.svg#a\"/>"), "outside itself"),
        (svg("<rect width=\"9\" height=\"9\" fill=\"url(http://example.com/#a)\"/>"), "url(#id)"),
        (svg("<rect width=\"9\" height=\"9\" style=\"fill: url( 'file:///a' )\"/>"), "url(#id)"),
        (svg("<style>@import 'a.css';</style>"), "@import"),
        (svg("<style>rect { fill: url(a.svg#b) }</style>"), "url(#id)"),
        (svg("<g id=\"a\"><use href=\"#a\"/></g>"), "circle"),
        (doubling(20), "8000 are allowed"),
        (svg(&format!("{}{}", "<g>".repeat(40), "</g>".repeat(40))), "deeper than 32"),
        (svg(&"<g/>".repeat(8_000)), "8000 are allowed"),
        (b"<html/>".to_vec(), "<html>"),
        (entity, "cannot be read"),
    ];
    for (bytes, why) in refused {
        let refusal = assets.add("acme", &bytes, None).unwrap_err();
        assert!(matches!(refusal, AssetError::Svg(_)) && refusal.to_string().contains(why), "{why}: {refusal}");
    }
    let huge = svg("").iter().map(|b| *b as char).collect::<String>().replace("\"64\"", "\"64000\"").into_bytes();
    assert!(matches!(assets.add("acme", &huge, None), Err(AssetError::Pixels { width: 64_000, height: 36, .. })));
    for sound in
        [doubling(5), svg("<defs><linearGradient id=\"a\"/></defs><rect width=\"9\" height=\"9\" fill=\"url(#a)\"/>")]
    {
        assert!(assets.add("acme", &sound, Some("image/svg+xml")).is_ok());
    }
}

/// The samples of a picture at a place, with those of its chroma.
fn at(picture: &Picture, x: usize, y: usize) -> [u8; 3] {
    [picture.row(0, y)[x], picture.row(1, y / 2)[x / 2], picture.row(2, y / 2)[x / 2]]
}

#[test]
fn a_piece_has_the_canvass_colours_its_place_and_the_background_around() {
    let dir = tempfile::tempdir().unwrap();
    let assets = open(dir.path());
    // White, half through, on blue: 50 % of each. Red beside it.
    let half = |x: u32, _| if x < 32 { Rgba([255, 255, 255, 128]) } else { Rgba([255, 0, 0, 255]) };
    let bytes = file(&RgbaImage::from_fn(64, 36, half), ImageFormat::Png);
    let asset = assets.add("acme", &bytes, None).unwrap().0.id;
    let rect = |x, y, width, height| Rect { x, y, width, height };
    let background = [0, 0, 255];
    // 4:3 around a picture of 16:9, which keeps its shape.
    let whole = rect(100, 100, 320, 240);
    let piece = |part| Piece { asset, whole, part, background };
    let picture = assets.picture(&piece(whole)).unwrap();
    assert_eq!((picture.width, picture.height, picture.colour), (320, 240, crate::frame::Colour::CANVAS));
    // BT.709, limited: blue, (128, 128, 255), red.
    assert_eq!(at(&picture, 10, 10), [32, 240, 118]);
    let mixed = at(&picture, 40, 120);
    assert!(
        [134, 184, 123].iter().zip(mixed).all(|(want, got): (&i16, u8)| (want - i16::from(got)).abs() <= 1),
        "{mixed:?}"
    );
    assert_eq!(at(&picture, 300, 120), [63, 102, 240]);
    // A part that sticks out at all sides is the same, with background around.
    let larger = assets.picture(&piece(rect(84, 84, 352, 272))).unwrap();
    assert_eq!(at(&larger, 0, 0), [32, 240, 118]);
    assert!((0..240).all(|y| larger.row(0, y + 16)[16..336] == *picture.row(0, y)));
    assert!((0..120).all(|y| larger.row(2, y + 8)[8..168] == *picture.row(2, y)));
    let corner = assets.picture(&piece(rect(400, 220, 32, 16))).unwrap();
    assert_eq!((at(&corner, 0, 0), at(&corner, 31, 0)), ([63, 102, 240], [32, 240, 118]));
    let unknown = Piece { asset: AssetId([0; 32]), ..piece(whole) };
    assert!(assets.picture(&unknown).is_none());
}

#[test]
fn an_svg_is_drawn_as_large_as_it_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let assets = open(dir.path());
    let bytes =
        svg("<rect width=\"32\" height=\"36\" fill=\"#ffffff\"/><path d=\"M32 0h32v36h-32z\" fill=\"#ff0000\"/>");
    let asset = assets.add("acme", &bytes, None).unwrap().0;
    assert_eq!((asset.width, asset.height), (64, 36));
    let whole = Rect { x: 0, y: 0, width: 1920, height: 1080 };
    let picture = assets.picture(&Piece { asset: asset.id, whole, part: whole, background: [0, 0, 0] }).unwrap();
    // Its edge is sharp.
    assert_eq!((at(&picture, 956, 500), at(&picture, 964, 500)), ([235, 128, 128], [63, 102, 240]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_that_nobody_vouches_for_are_refused_or_shown(at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let jpeg = file(&RgbaImage::from_pixel(16, 16, Rgba([9, 99, 9, 255])), ImageFormat::Jpeg);
        let drawing = svg("<g><rect width=\"9\" height=\"9\" fill=\"#123456\"/></g>");
        for bytes in [png(16, 16, [1, 2, 3, 4]), jpeg, drawing] {
            let mut changed = bytes.clone();
            let at = at.index(changed.len());
            changed[at] = to;
            for bytes in [changed, bytes[..cut.index(bytes.len())].to_vec()] {
                let Ok(kind) = check::kind_of(&bytes) else { continue };
                let shown = condition::picture(kind, &bytes, (32, 18), [0, 0, 0]);
                let failed = shown.is_err_and(|error| error.to_string().contains("decoder failed"));
                prop_assert!(!failed);
            }
        }
    }
}

#[test]
fn what_moves_is_shown_from_its_first_picture_to_its_last_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let assets = open(dir.path());
    let levels = [40, 100, 160, 220];
    let files = [apng(64, 36, &levels, 100), webp(64, 36, &levels, 100)];
    for (bytes, kind) in files.iter().zip([AssetType::Png, AssetType::WebP]) {
        let asset = assets.add("acme", bytes, None).unwrap().0;
        assert_eq!((asset.kind, asset.width, asset.height, asset.duration_s), (kind, 64, 36, 0.4));
        let whole = Rect { x: 0, y: 0, width: 64, height: 36 };
        let piece = Piece { asset: asset.id, whole, part: whole, background: [0; 3] };
        let luma = |level: u8| (16.0 + 219.0 * f32::from(level) / 255.0).round() as u8;
        let of = |picture: &Picture| picture.row(0, 18)[32];
        // By itself it is its first picture.
        assert_eq!(of(&assets.picture(&piece).unwrap()), luma(40));
        let mut seen = Vec::new();
        let each = |_: usize, picture: &Picture| {
            seen.push(of(picture));
            Ok(())
        };
        let (length, step) = (assets.length(&asset.id).unwrap(), Duration::from_millis(50));
        assets.play(std::slice::from_ref(&piece), (length, step, 18), each).unwrap();
        let expected: Vec<u8> = (0..18).map(|nth| luma(levels[nth / 2 % 4])).collect();
        assert_eq!(seen, expected, "{kind:?}");
    }
    let still = assets.add("acme", &png(64, 36, [9, 9, 9, 255]), None).unwrap().0;
    assert_eq!((assets.length(&still.id), still.duration_s), (None, 0.0));
}
