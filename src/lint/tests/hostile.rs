//! Whatever a server sends, a run ends, and does not panic.

use std::cell::RefCell;

use proptest::prelude::*;

use super::super::segment::{fmp4, format, init, packed, ts, webvtt};
use super::super::{Answer, Fetch, FetchError, LintOptions, Linter, Request};
use super::bytes;
use super::world::{Base, World};

/// A server whose texts are changed at random places.
struct Mutating {
    world: World,
    /// Place, what is put there, and how many bytes go.
    changes: Vec<(usize, Vec<u8>, usize)>,
}

impl Fetch for Mutating {
    fn fetch(&mut self, request: &Request) -> Result<Answer, FetchError> {
        let mut answer = self.world.fetch(request)?;
        let mut body = answer.body.to_vec();
        for (place, put, go) in &self.changes {
            let at = place % (body.len() + 1);
            let end = (at + go).min(body.len());
            body.splice(at..end, put.iter().copied());
        }
        answer.body = body.into();
        Ok(answer)
    }
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "\n",
        ",",
        "=",
        "\"",
        ":",
        "#EXTINF:",
        "#EXT-X-DISCONTINUITY\n",
        "18446744073709551615",
        "-1",
        "NaN",
        "{$",
        "\u{2028}",
        "1e308",
        "#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n",
    ];
    prop_oneof![
        proptest::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..8),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_streams_never_panic(
        which in 0..4usize,
        changes in proptest::collection::vec((any::<usize>(), pieces(), 0..40usize), 1..5),
    ) {
        let world = World::new([Base::Vod, Base::Ts, Base::Aac, Base::Live][which], Vec::new());
        let (root, time) = (world.root(), world.time.clone());
        let mut server = Mutating { world, changes };
        let options = LintOptions { watch: Some(std::time::Duration::from_secs(8)), ..LintOptions::default() };
        if let Ok(report) = Linter::new(root, &mut server, &time, &options).run() {
            prop_assert!(report.json(false).is_ok() && !report.text().is_empty());
        }
    }

    #[test]
    fn readers_of_segments_never_panic(
        which in 0..5usize,
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..12),
        keep in any::<usize>(),
    ) {
        let clean = [bytes::init(true, (64, 64), 1), bytes::segment(0, 4000, 0, 50), bytes::ts(0, 0x65), bytes::packed(0), bytes::vtt()];
        let mut bytes = clean[which].clone();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(keep % (bytes.len() + 1));
        let init = init::read(&bytes);
        format(&bytes, "a.ts");
        fmp4::read(&bytes, Some(&init));
        ts::read(&bytes, false);
        packed::read(&bytes);
        webvtt::read(&bytes);
    }
}

/// Answers everything with one text.
struct Same(RefCell<u32>, Vec<u8>);

impl Fetch for Same {
    fn fetch(&mut self, request: &Request) -> Result<Answer, FetchError> {
        *self.0.borrow_mut() += 1;
        assert_eq!(request.url.scheme(), "http");
        let body = self.1.clone().into();
        Ok(Answer {
            url: request.url.clone(),
            status: 200,
            headers: Vec::new(),
            body,
            truncated: false,
            too_large: true,
        })
    }
}

#[test]
fn playlists_that_name_themselves_and_local_files_end() {
    let nested =
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8?1\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile:///etc/passwd\n";
    let gigantic = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{}", "#EXTINF:1,\nx.m3u8\n".repeat(60_000));
    let many: String = (0..5000).map(|n| format!("#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8?{n}\n")).collect();
    let far = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:1\na.ts\n#EXTINF:1\nb.ts\n";
    for text in
        [nested.to_owned(), far.to_owned(), gigantic, format!("#EXTM3U\n{many}"), String::new(), "<html>".into()]
    {
        let world = World::new(Base::Ts, Vec::new());
        let mut server = Same(RefCell::default(), text.into_bytes());
        let options = LintOptions::default();
        let report = Linter::new(world.root(), &mut server, &world.time.clone(), &options).run().unwrap();
        assert!(!report.findings.is_empty());
        assert!(*server.0.borrow() < 500, "{}", server.0.borrow());
    }
}
