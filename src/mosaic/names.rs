//! Mosaic names in URLs: they say everything that makes a mosaic, and are signed. Whoever has the key can tell from a name alone which
//! tracks a mosaic is made of, whether it runs or not and whoever started it; nobody else can make one. A bridge from one mosaic to another has
//! a name of both.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::spec::{EngineKind, MosaicId, MosaicSpec};
use crate::assets::AssetId;
use crate::ladder::{RenditionSpec, VideoCodec};
use crate::layout::{Layout, Layouts};
use crate::timeline::{Grid, PartNumber};

/// The first byte of a name: another makes all names others.
const VERSION: u8 = 1;

/// The same of a bridge's name.
const BRIDGE: u8 = b'b';

/// What stands in front of art: the length of no text.
const ART: u8 = 255;

/// Bytes of a digest. They tell apart what is configured; nobody can make a name without the key, which is what signatures are for.
const DIGEST: usize = 8;

/// Bytes of a signature: too many to guess.
const SIGNATURE: usize = 16;

/// Bounds what is decoded from a URL: four games of the longest keys, and all that is beside them; for a bridge twice.
const MAX_LENGTH: usize = 2048;

/// Makes and reads mosaic names for one deployment.
pub struct Names {
    key: [u8; 32],
    /// Of what decides every mosaic's bytes, besides its layout and games.
    output: [u8; DIGEST],
    layouts: HashMap<String, (Arc<Layout>, [u8; DIGEST])>,
}

/// What a name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub engine: EngineKind,
    pub spec: MosaicSpec,
}

impl Names {
    /// `key` is the server's secret; `set_up` what encoders are told, on all machines alike.
    pub fn new(key: [u8; 32], grid: Grid, renditions: &[RenditionSpec], set_up: &str, layouts: &Layouts) -> Self {
        let rung = |r: &RenditionSpec| {
            // H.264 is not said: ladders of it have the names that they had before there was anything else.
            let codec = if r.codec == VideoCodec::H264 { "" } else { r.codec.name() };
            format!("{}:{}x{}@{}{codec}", r.name, r.width, r.height, r.bitrate_bps)
        };
        let ladder: Vec<String> = renditions.iter().map(rung).collect();
        let (fps, frames, part_frames) = (grid.fps(), grid.segment_frames(), grid.part_frames());
        let output = digest(&format!("{fps}/{frames}/{part_frames}/{set_up}/{}", ladder.join(",")));
        let known = |layout: &Arc<Layout>| (layout.id.clone(), (layout.clone(), digest_of(layout)));
        Self { key, output, layouts: layouts.iter().map(known).collect() }
    }

    pub fn name(&self, spec: &MosaicSpec, engine: EngineKind) -> MosaicId {
        let known = self.layouts.get(&spec.layout.id).filter(|(known, _)| Arc::ptr_eq(known, &spec.layout));
        let layout = known.map_or_else(|| digest_of(&spec.layout), |(_, digest)| *digest);
        let mut bytes = vec![VERSION, engine_byte(engine)];
        bytes.extend_from_slice(&self.output);
        bytes.extend_from_slice(&layout);
        put_text(&mut bytes, &spec.layout.id);
        spec.games.iter().for_each(|game| put_text(&mut bytes, game));
        put_art(&mut bytes, &spec.art);
        bytes.extend_from_slice(&self.signature(&bytes));
        MosaicId(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// The name of a segment that begins as `from`'s and is `to`'s from part `begins` on; `None` if one of them is no mosaic's name, or both are
    /// too long for an address.
    pub fn bridge(&self, from: &MosaicId, to: &MosaicId, begins: PartNumber) -> Option<MosaicId> {
        let mut bytes = vec![BRIDGE, u8::try_from(begins).ok()?];
        for id in [from, to] {
            self.read(&id.0)?;
            let name = URL_SAFE_NO_PAD.decode(&*id.0).ok()?;
            bytes.extend_from_slice(&u16::try_from(name.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(&name);
        }
        bytes.extend_from_slice(&self.signature(&bytes));
        let id = URL_SAFE_NO_PAD.encode(bytes);
        (id.len() <= MAX_LENGTH).then(|| MosaicId(id.into()))
    }

    /// The mosaics that the bridge `id` is from and to, and the part where it goes over, if this deployment gave it.
    pub fn read_bridge(&self, id: &str) -> Option<(MosaicId, MosaicId, PartNumber)> {
        let bytes = self.signed(id)?;
        let (&[kind, begins], mut names) = bytes.split_first_chunk::<2>()?;
        let mut next = || {
            let (length, rest) = names.split_first_chunk::<2>()?;
            let (name, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
            names = rest;
            Some(MosaicId(URL_SAFE_NO_PAD.encode(name).into()))
        };
        let (from, to) = (next()?, next()?);
        (kind == BRIDGE && names.is_empty()).then_some((from, to, begins.into()))
    }

    /// What `id` says, if this deployment gave it, as it is set up now.
    pub fn read(&self, id: &str) -> Option<Named> {
        let body = self.signed(id)?;
        let (head, mut texts) = body.split_first_chunk::<{ 2 + 2 * DIGEST }>()?;
        let (kind, output, layout) = (head.get(1)?, head.get(2..2 + DIGEST)?, head.get(2 + DIGEST..)?);
        if head[0] != VERSION || *output != self.output {
            return None;
        }
        let (known, digest) = self.layouts.get(take_text(&mut texts)?)?;
        if layout != digest {
            return None;
        }
        let mut games = Vec::with_capacity(known.slots.len());
        while texts.first().is_some_and(|first| *first != ART) {
            games.push(take_text(&mut texts)?.into());
        }
        let art = take_art(&mut texts)?;
        Some(Named { engine: engine_of(*kind)?, spec: MosaicSpec { layout: known.clone(), games, art } })
    }

    /// Whether `id` is a name that this deployment gave, however it was set up then.
    pub fn gave(&self, id: &str) -> bool {
        self.signed(id).is_some()
    }

    /// What comes before a name's signature, if that is this deployment's.
    fn signed(&self, id: &str) -> Option<Vec<u8>> {
        if id.len() > MAX_LENGTH {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
        let (body, signature) = bytes.split_last_chunk::<SIGNATURE>()?;
        self.mac(body).verify_truncated_left(signature).ok()?;
        bytes.truncate(body.len());
        Some(bytes)
    }

    fn signature(&self, body: &[u8]) -> [u8; SIGNATURE] {
        let mut out = [0; SIGNATURE];
        out.copy_from_slice(&self.mac(body).finalize().into_bytes()[..SIGNATURE]);
        out
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        // HMAC takes a key of any length (RFC 2104, 2); the other arm is never taken.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap_or_else(|_| Hmac::new(&Default::default()));
        mac.update(b"mosaic");
        mac.update(body);
        mac
    }
}

const fn engine_byte(engine: EngineKind) -> u8 {
    match engine {
        EngineKind::Render => b'r',
        EngineKind::Stitch => b's',
    }
}

const fn engine_of(byte: u8) -> Option<EngineKind> {
    match byte {
        b'r' => Some(EngineKind::Render),
        b's' => Some(EngineKind::Stitch),
        _ => None,
    }
}

/// Everything of a layout that decides pictures.
fn digest_of(layout: &Layout) -> [u8; DIGEST] {
    let Layout { id, canvas, background, gap, slots, art, .. } = layout;
    let text = serde_json::json!([id, canvas, background, gap, slots]).to_string();
    let art: Vec<String> = art.iter().map(|art| serde_json::json!([art.name, art.rect]).to_string()).collect();
    digest(&(text + &art.concat()))
}

fn digest(text: &str) -> [u8; DIGEST] {
    let mut out = [0; DIGEST];
    out.copy_from_slice(&Sha256::digest(text)[..DIGEST]);
    out
}

/// Ids of games and layouts have at most 129 characters, all of them ASCII.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let text = &text.as_bytes()[..text.len().min(254)];
    bytes.push(text.len() as u8);
    bytes.extend_from_slice(text);
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

/// Nothing where there is none. Else what is in each name of art: a byte that says whether anything is, and its digest.
fn put_art(bytes: &mut Vec<u8>, art: &[Option<AssetId>]) {
    if art.is_empty() {
        return;
    }
    bytes.push(ART);
    for asset in art {
        bytes.push(u8::from(asset.is_some()));
        asset.iter().for_each(|asset| bytes.extend_from_slice(&asset.0));
    }
}

fn take_art(bytes: &mut &[u8]) -> Option<Vec<Option<AssetId>>> {
    let mut art = Vec::new();
    let Some((_, mut rest)) = bytes.split_first() else { return Some(art) };
    while let Some((is_there, after)) = rest.split_first() {
        rest = after;
        let mut asset = None;
        if *is_there == 1 {
            let (digest, after) = rest.split_first_chunk::<32>()?;
            (asset, rest) = (Some(AssetId(*digest)), after);
        }
        art.push(asset);
    }
    *bytes = rest;
    Some(art)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spec(games: [&str; 2]) -> MosaicSpec {
        MosaicSpec { layout: layouts().get("2EH").unwrap(), games: games.map(Into::into).to_vec(), art: Vec::new() }
    }

    fn layouts() -> Layouts {
        Layouts::bundled()
    }

    fn names(key: u8) -> Names {
        named("veryfast", key)
    }

    fn named(set_up: &str, key: u8) -> Names {
        let rendition = RenditionSpec {
            name: "540p".into(),
            width: 960,
            height: 540,
            bitrate_bps: 1_600_000,
            codec: VideoCodec::H264,
        };
        Names::new([key; 32], Grid::new("30".parse().unwrap(), 60), &[rendition], set_up, &layouts())
    }

    #[test]
    fn equal_mosaics_have_equal_names_and_everything_that_decides_the_bytes_counts() {
        let names = names(1);
        let name = names.name(&spec(["a", "b"]), EngineKind::Render);
        assert_eq!(name, names.name(&spec(["a", "b"]), EngineKind::Render), "whichever copy of the layout it is");
        assert_ne!(name, names.name(&spec(["b", "a"]), EngineKind::Render));
        assert_ne!(name, names.name(&spec(["a", "b"]), EngineKind::Stitch));
        assert_ne!(name, named("medium", 1).name(&spec(["a", "b"]), EngineKind::Render));
        let mut other = spec(["a", "b"]);
        Arc::make_mut(&mut other.layout).background = [1, 2, 3];
        assert_ne!(name, names.name(&other, EngineKind::Render));
    }

    #[test]
    fn a_name_says_what_its_mosaic_is_to_those_who_have_the_key() {
        let spec = spec(["acme/nyk-bos", "a"]);
        let name = names(1).name(&spec, EngineKind::Stitch);
        assert_eq!(names(1).read(&name.0), Some(Named { engine: EngineKind::Stitch, spec: spec.clone() }));
        assert!(name.0.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{name}");
        assert!(names(2).read(&name.0).is_none() && !names(2).gave(&name.0), "another deployment's");
        let later = named("medium", 1);
        assert!(later.read(&name.0).is_none() && later.gave(&name.0), "of another set-up");
        let mut changed = spec;
        Arc::make_mut(&mut changed.layout).gap += 2;
        let name = names(1).name(&changed, EngineKind::Stitch);
        assert!(names(1).read(&name.0).is_none() && names(1).gave(&name.0), "of a layout that is another now");
    }

    #[test]
    fn a_name_says_what_art_is_shown() {
        let names = names(1);
        let [red, blue] = [[1; 32], [2; 32]].map(|id| Some(AssetId(id)));
        let spec = |art: Vec<_>| MosaicSpec { layout: layouts().get("1F").unwrap(), games: vec!["a".into()], art };
        let skinned = [vec![], vec![red], vec![blue], vec![None, red], vec![red, None]].map(spec);
        let mut given: Vec<_> = skinned.iter().map(|spec| names.name(spec, EngineKind::Stitch)).collect();
        for (spec, name) in skinned.iter().zip(&given) {
            assert_eq!(names.read(&name.0).map(|named| named.spec).as_ref(), Some(spec));
        }
        given.sort();
        given.dedup();
        assert_eq!(given.len(), skinned.len());
    }

    #[test]
    fn a_bridge_names_both_its_mosaics_and_is_none_itself() {
        let names = names(1);
        let [from, to] = [["a", "b"], ["a", "c"]].map(|games| names.name(&spec(games), EngineKind::Stitch));
        let bridge = names.bridge(&from, &to, 3).unwrap();
        assert_eq!(names.read_bridge(&bridge.0), Some((from.clone(), to.clone(), 3)));
        assert!(names.gave(&bridge.0) && names.read(&bridge.0).is_none(), "it is no mosaic");
        assert_ne!(bridge, names.bridge(&from, &to, 4).unwrap());
        assert!(names.read_bridge(&from.0).is_none() && names.bridge(&bridge, &to, 3).is_none());
        assert!(self::names(2).read_bridge(&bridge.0).is_none(), "another deployment's");
    }

    #[test]
    fn the_longest_names_fit() {
        let longest = format!("{}/{}", "t".repeat(64), "g".repeat(64));
        let art = vec![Some(AssetId([7; 32])); Layout::MAX_ART_NAMES];
        let spec = MosaicSpec { layout: layouts().get("4E").unwrap(), games: vec![longest.as_str().into(); 4], art };
        let name = names(1).name(&spec, EngineKind::Stitch);
        assert_eq!(names(1).read(&name.0).map(|named| named.spec), Some(spec));
        assert!(names(1).bridge(&name, &name, 1).is_some());
        assert!(!names(1).gave(&"A".repeat(100_000)));
    }

    proptest! {
        #[test]
        fn a_name_that_was_changed_is_none(at in any::<usize>(), with in "[A-Za-z0-9_-]{1,3}", cut in 0usize..60) {
            let names = names(1);
            let name = names.name(&spec(["a", "b"]), EngineKind::Render).0.to_string();
            let mut forged = name.clone();
            let at = at % (name.len() - with.len());
            forged.replace_range(at..at + with.len(), &with);
            prop_assert_eq!(names.gave(&forged), forged == name);
            prop_assert!(!names.gave(&name[..cut.min(name.len() - 1)]));
            prop_assert!(names.read(&with).is_none());
        }
    }
}
