//! Responses as servers write them, and as they should not.

use proptest::prelude::*;

use super::read::read_duration_ms;
use super::*;
use crate::decisions::testing::{inline, wrapper};

#[test]
fn a_response_is_read_as_far_as_it_says_something_that_can_be_played() {
    let vast = read(&inline("http://a.example", "x", "")).unwrap();
    let [ad] = &vast.ads[..] else { panic!("{vast:?}") };
    let AdKind::InLine(Some(linear)) = &ad.kind else { panic!("{ad:?}") };
    assert_eq!((ad.id.as_deref(), ad.sequence, linear.duration_ms), (Some("x"), None, 15_000));
    let sizes: Vec<_> = linear.media.iter().map(|file| (file.width, file.height, file.bitrate_kbps)).collect();
    assert_eq!(sizes, [(1280, 720, 2000), (640, 360, 800)]);
    let told: Vec<_> = ad.tracking.iter().map(|its| (its.event, its.url.as_str())).collect();
    assert_eq!(
        told,
        [
            (Event::Impression, "http://a.example/impression/x"),
            (Event::Error, "http://a.example/error/x?c=[ERRORCODE]"),
            (Event::FirstQuartile, "http://a.example/q1/x"),
            (Event::Complete, "http://a.example/done/x"),
        ]
    );
    let vast = read(&wrapper("http://a.example", "w", "https://b.example/?[CACHEBUSTING]", "")).unwrap();
    let expected = AdKind::Wrapper { url: "https://b.example/?[CACHEBUSTING]".into(), follows: true };
    assert_eq!((&vast.ads[0].kind, vast.ads[0].tracking.len()), (&expected, 3));
    let vast = read(&wrapper("http://a", "w", "http://b", r#"followAdditionalWrappers="false""#)).unwrap();
    assert_eq!(vast.ads[0].kind, AdKind::Wrapper { url: "http://b".into(), follows: false });
}

#[test]
fn namespaces_versions_and_what_stands_around_do_not_matter() {
    let ad = r#"<Ad sequence="2"><InLine><Creatives><Creative><NonLinearAds/></Creative><Creative><Linear><Duration> 00:01:00.5 </Duration></Linear></Creative></Creatives></InLine></Ad>"#;
    for (before, root) in [
        ("\u{feff}<?xml version=\"1.0\"?>\n<!-- x -->", r#"<VAST version="2.0">"#),
        ("", r#"<VAST version="3.0" xmlns="http://www.iab.com/VAST">"#),
        ("  ", r#"<v:VAST xmlns:v="http://v" version="4.3">"#),
    ] {
        let end = if root.starts_with("<v:") { "</v:VAST>" } else { "</VAST>" };
        let vast = read(&format!("{before}{root}{ad}{end}")).unwrap();
        // In a namespace by a prefix the children have none, and are read all the same.
        let expected = AdKind::InLine(Some(Linear { duration_ms: 60_500, media: Vec::new() }));
        assert_eq!((vast.ads[0].sequence, &vast.ads[0].kind), (Some(2), &expected), "{root}");
    }
    let none = read(r#"<VAST version="4.0"><Error>http://e/[ERRORCODE]</Error></VAST>"#).unwrap();
    assert_eq!((none.ads.len(), none.errors), (0, vec!["http://e/[ERRORCODE]".to_owned()]));
}

#[test]
fn what_is_no_response_has_its_code() {
    let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><VAST version="4.0"><Ad>&b;</Ad></VAST>"#;
    let outside =
        r#"<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><VAST version="4.0"><Error>&a;</Error></VAST>"#;
    for (xml, code) in [
        ("", 100),
        ("{}", 100),
        ("<VAST version=\"4.0\">", 100),
        ("<html><body>Not found</body></html>", 101),
        ("<VAST><Ad/></VAST>", 102),
        ("<VAST version=\"1.0\"/>", 102),
        ("<VAST version=\"5\"/>", 102),
        (bomb, 100),
        (outside, 100),
    ] {
        assert_eq!(read(xml).map_err(|error| error.code()), Err(code), "{xml}");
    }
}

#[test]
fn a_response_that_is_too_much_is_bounded() {
    let deep = format!("<VAST version=\"4.0\">{}", "<Ad>".repeat(250_000));
    assert_eq!(read(&deep).map_err(|error| error.code()), Err(100));
    let closed = format!("<VAST version=\"4.0\">{}{}</VAST>", "<Ad>".repeat(20_000), "</Ad>".repeat(20_000));
    assert!(read(&closed).unwrap().ads.is_empty());
    let wide = format!("<VAST version=\"4.0\">{}</VAST>", "<Ad/>".repeat(100_000));
    assert_eq!(read(&wide).map_err(|error| error.code()), Err(100), "more elements than are read");
    let ad = format!("<Ad><InLine>{}</InLine></Ad>", "<Impression>http://a</Impression>".repeat(200));
    let many = read(&format!("<VAST version=\"4.0\">{}</VAST>", ad.repeat(50))).unwrap();
    assert_eq!((many.ads.len(), many.ads[0].tracking.len()), (32, 128));
}

#[test]
fn addresses_are_http_and_of_one_line() {
    let long = format!("http://a/{}", "x".repeat(5000));
    for bad in ["", "ftp://a", "file:///etc/passwd", "javascript:1", "http://a b", "/relative", long.as_str()] {
        let vast = read(&format!("<VAST version=\"4.0\"><Error><![CDATA[{bad}]]></Error></VAST>")).unwrap();
        assert_eq!(vast.errors, [] as [String; 0], "{bad}");
    }
}

#[test]
fn durations_are_those_of_the_clock() {
    for (text, ms) in [
        ("00:00:15", Some(15_000)),
        ("00:00:15.5", Some(15_500)),
        ("00:00:00.040", Some(40)),
        ("01:00:00", Some(3_600_000)),
        ("01:00:00.001", None),
        ("00:00:00", None),
        ("00:60:00", None),
        ("15", None),
        ("0:0:15", Some(15_000)),
        ("-1:00:00", None),
        ("00:00:15,5", None),
        ("00:00:15.12345", None),
        ("99999999999:00:00", None),
    ] {
        assert_eq!(read_duration_ms(text), ms, "{text}");
    }
    let at: Vec<_> = Event::TRACKED.into_iter().map(|event| event.at_ms(15_001)).collect();
    assert_eq!(at, [Some(0), Some(3_750), Some(7_500), Some(11_250), Some(15_001), None]);
    assert_eq!((Event::Impression.at_ms(9), Event::Error.at_ms(9)), (Some(0), None));
}

proptest! {
    /// Pieces of responses in any order: nothing panics, and bounds hold.
    #[test]
    fn whatever_is_read_is_within_bounds(pieces in prop::collection::vec(prop_oneof![
        Just("<VAST version=\"4.0\">"), Just("</VAST>"), Just("<Ad id=\"é\" sequence=\"99999999999\">"), Just("</Ad>"), Just("<InLine>"),
        Just("</InLine>"), Just("<Wrapper followAdditionalWrappers=\"0\">"), Just("</Wrapper>"), Just("<Creatives><Creative><Linear>"),
        Just("</Linear></Creative></Creatives>"), Just("<Duration>00:00:10</Duration>"), Just("<Error>http://é/[ERRORCODE]</Error>"),
        Just("<MediaFiles><MediaFile type=\"VIDEO/MP4\" width=\"-1\" height=\"2\">http://m</MediaFile></MediaFiles>"), Just("&amp;"), Just("&x;"),
        Just("<![CDATA["), Just("]]>"), Just("<!--"), Just("-->"), Just("<VASTAdTagURI>HTTP://w</VASTAdTagURI>"),
    ], 0..40)) {
        if let Ok(vast) = read(&pieces.concat()) {
            prop_assert!(vast.ads.len() <= 32 && vast.errors.len() <= 128);
            for ad in vast.ads {
                prop_assert!(ad.tracking.iter().all(|its| its.url.len() <= 4096 && its.url.to_ascii_lowercase().starts_with("http")));
            }
        }
    }
}
