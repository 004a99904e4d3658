//! Decision servers that mean no good, or are not well.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use super::testing::{INNER, Server, inline, reach, send, wrapper};
use super::*;
use crate::feed::VisitError;

const XML: &str = "application/xml";

fn bounds() -> Bounds {
    Bounds { creative_bytes: 1 << 20, creative_time: Duration::from_secs(20), ..Bounds::default() }
}

fn ask(url: String) -> Ask {
    let wanted = Wanted { height: 540, media_types: vec!["video/mp4".into()], codecs: vec!["avc1".into()] };
    Ask { url, values: Values { transaction: "t1".into(), chance: 7, ..Values::default() }, wanted }
}

fn decide(url: String) -> Result<Decision, NoDecision> {
    Client::new(reach(), bounds()).decide(&ask(url))
}

/// VAST's code, and the server's targets that are to be told of it.
fn refused(server: &Server, target: &str) -> (u16, Vec<String>) {
    let no = decide(format!("{}{target}", server.base)).unwrap_err();
    (no.code, no.errors.iter().map(|url| url.replace(&server.base, "")).collect())
}

fn xml(stream: &mut TcpStream, body: &str) -> std::io::Result<()> {
    send(stream, 200, "application/xml; charset=utf-8", body.as_bytes())
}

#[test]
fn an_advertisement_behind_wrappers_is_told_of_to_all_of_them() {
    let server = Server::start(|base, target, stream| match target {
        "/ask?t=t1&c=00000007" => xml(stream, &wrapper(base, "one", &format!("{base}/two?c=[CACHEBUSTING]"), "")),
        "/two?c=00000007" => xml(stream, &wrapper(base, "two", &format!("{base}/three"), "")),
        _ => xml(stream, &inline(base, "ad", "")),
    });
    let decision = decide(format!("{}/ask?t=[TRANSACTIONID]&c=[CACHEBUSTING]", server.base)).unwrap();
    let [ad] = &decision.ads[..] else { panic!("{decision:?}") };
    assert_eq!((ad.duration_ms, ad.media.height, ad.id.as_deref()), (15_000, 720, Some("ad")));
    let of = |event: Event| -> Vec<String> {
        let its = ad.tracking.iter().filter(|its| its.event == event);
        its.map(|its| its.url.replace(&server.base, "")).collect()
    };
    assert_eq!(of(Event::Impression), ["/impression/one", "/impression/two", "/impression/ad"]);
    assert_eq!(of(Event::Complete), ["/done/one", "/done/two", "/done/ad"]);
    assert_eq!(of(Event::FirstQuartile), ["/q1/ad"]);
    assert_eq!(decision.errors, [] as [String; 0]);
}

#[test]
fn a_pod_is_shown_in_its_order_as_far_as_the_break_goes() {
    let server = Server::start(|base, _, stream| {
        let ads: Vec<String> = [("c", Some(3)), ("a", Some(1)), ("alone", None), ("b", Some(2))]
            .into_iter()
            .map(|(id, sequence)| {
                let whole = inline(base, id, "");
                let ad = whole.split_once("<Ad ").unwrap().1.rsplit_once("</VAST>").unwrap().0.to_owned();
                format!("<Ad {}{ad}", sequence.map_or(String::new(), |n| format!("sequence=\"{n}\" ")))
            })
            .collect();
        xml(stream, &format!("<VAST version=\"4.1\">{}</VAST>", ads.concat()))
    });
    let decision = decide(server.base.clone()).unwrap();
    let ids: Vec<_> = decision.ads.iter().map(|ad| ad.id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    for (break_ms, fits) in [(14_999, 0), (15_000, 1), (44_000, 2), (60_000, 3)] {
        assert_eq!(decision.within(break_ms).len(), fits);
    }
}

#[test]
fn servers_that_have_nothing_have_decided() {
    let server = Server::start(|base, target, stream| match target {
        "/204" => stream.write_all(b"HTTP/1.1 204 x\r\nConnection: close\r\n\r\n"),
        "/empty" => xml(stream, &format!("<VAST version=\"4.0\"><Error>{base}/none?[ERRORCODE]</Error></VAST>")),
        _ => xml(stream, &wrapper(base, "w", &format!("{base}/empty"), "")),
    });
    let of = |target: &str| decide(format!("{}{target}", server.base)).unwrap();
    assert_eq!(of("/204"), Decision { codes: vec![303], ..Decision::default() });
    assert_eq!(of("/empty").codes, [303]);
    assert_eq!(of("/empty").errors, [format!("{}/none?303", server.base)]);
    let behind = of("/wrapped");
    assert!(behind.ads.is_empty());
    assert_eq!(behind.codes, [303], "once");
    assert_eq!(behind.errors, [format!("{}/none?303", server.base), format!("{}/error/w?c=303", server.base)]);
}

#[test]
fn wrappers_that_lead_in_a_circle_or_too_far_end() {
    let server = Server::start(|base, target, stream| match target.split('/').nth(1).unwrap() {
        "self" => xml(stream, &wrapper(base, "self", &format!("{base}/self"), "")),
        "ping" => xml(stream, &wrapper(base, "ping", &format!("{base}/pong"), "")),
        "pong" => xml(stream, &wrapper(base, "pong", &format!("{base}/ping"), "")),
        "only" => xml(stream, &wrapper(base, "only", &format!("{base}/self"), r#"followAdditionalWrappers="false""#)),
        // Another address each time.
        "far" => xml(stream, &wrapper(base, "far", &format!("{base}{target}x"), "")),
        // Eight wrappers in each: more than can be asked, and each leads to more.
        _ => {
            let one = wrapper(base, "many", &format!("{base}{target}/x"), "");
            let ad = one.split_once("<Ad ").unwrap().1.rsplit_once("</VAST>").unwrap().0;
            let ads: String =
                (1..=8).map(|n| format!("<Ad sequence=\"{n}\" {}", ad.replace("/x]", &format!("/{n}]")))).collect();
            xml(stream, &format!("<VAST version=\"4.0\">{ads}</VAST>"))
        }
    });
    assert_eq!(refused(&server, "/self"), (302, vec!["/error/self?c=302".into()]));
    assert_eq!(refused(&server, "/ping"), (302, vec!["/error/ping?c=302".into(), "/error/pong?c=302".into()]));
    assert_eq!(refused(&server, "/only").0, 302);
    server.asked.lock().clear();
    assert_eq!(refused(&server, "/far/").0, 302);
    assert_eq!(server.asked.lock().len(), 6, "the first, and five wrappers behind it");
    server.asked.lock().clear();
    let (code, told) = refused(&server, "/many");
    assert_eq!((code, server.asked.lock().len()), (302, 16));
    assert!(told.len() <= 256, "{}", told.len());
}

#[test]
fn answers_that_are_none_are_refused_with_their_code() {
    let server = Server::start(|base, target, stream| match target {
        "/500" => send(stream, 500, XML, b"<VAST version=\"4.0\"/>"),
        "/type" => send(stream, 200, "text/html", inline(base, "x", "").as_bytes()),
        "/binary" => send(stream, 200, XML, &[0xff, 0xfe, 0, 1]),
        "/bomb" => xml(
            stream,
            r#"<!DOCTYPE v [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><VAST version="4.0">&b;</VAST>"#,
        ),
        "/html" => send(stream, 200, XML, b"<html/>"),
        "/old" => xml(stream, "<VAST version=\"1.0\"/>"),
        "/large" => {
            stream.write_all(b"HTTP/1.1 200 x\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n")?;
            (0..50).try_for_each(|_| stream.write_all(&[b' '; 1 << 20]))
        }
        "/said" => {
            stream.write_all(b"HTTP/1.1 200 x\r\nContent-Type: text/xml\r\nContent-Length: 52428800\r\n\r\n<VAST")
        }
        // Less than it says.
        "/cut" => stream.write_all(
            b"HTTP/1.1 200 x\r\nContent-Type: text/xml\r\nContent-Length: 500\r\n\r\n<VAST version=\"4.0\"/>",
        ),
        "/unplayable" => xml(stream, &inline(base, "x", "").replace("video/mp4", "video/x-flv")),
        "/nonlinear" => xml(stream, &inline(base, "x", "").replace("Linear>", "NonLinearAds>")),
        _ => stream.write_all(b"garbage\r\n\r\n"),
    });
    for (target, code) in [
        ("/500", 300),
        ("/type", 100),
        ("/binary", 100),
        ("/bomb", 100),
        ("/html", 101),
        ("/old", 102),
        ("/large", 300),
        ("/said", 300),
        ("/cut", 300),
        ("/garbage", 300),
    ] {
        assert_eq!(refused(&server, target), (code, Vec::new()), "{target}");
    }
    assert_eq!(refused(&server, "/unplayable"), (403, vec!["/error/x?c=403".into()]));
    assert_eq!(refused(&server, "/nonlinear"), (200, vec!["/error/x?c=200".into()]));
}

#[test]
fn a_server_that_is_slow_or_down_holds_nobody() {
    let server = Server::start(|base, target, stream| match target {
        "/silent" => {
            // Until who asked has hung up.
            let _ = std::io::Read::read(stream, &mut [0]);
            Ok(())
        }
        "/trickles" => {
            stream.write_all(b"HTTP/1.1 200 x\r\nContent-Type: text/xml\r\n\r\n")?;
            loop {
                stream.write_all(b" ")?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        _ => xml(stream, &wrapper(base, "w", &format!("{base}/silent"), "")),
    });
    let client = Client::new(reach(), Bounds { time: Duration::from_millis(300), ..bounds() });
    let of = |target: &str| client.decide(&ask(format!("{}{target}", server.base))).unwrap_err();
    assert_eq!(of("/silent").code, 900);
    assert_eq!(of("/trickles").code, 900);
    let behind = of("/wrapped");
    assert_eq!((behind.code, behind.errors), (301, vec![format!("{}/error/w?c=301", server.base)]));
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    assert_eq!(client.decide(&ask(format!("http://{gone}/"))).unwrap_err().code, 300);
}

#[test]
fn nothing_leads_where_the_rules_do_not() {
    let inner = Server::start_at(INNER, |base, _, stream| xml(stream, &inline(base, "secret", "")));
    let (port, own) = (inner.base.rsplit(':').next().unwrap().to_owned(), inner.base.clone());
    let server = Server::start(move |base, target, stream| match target {
        "/redirect" => {
            stream.write_all(format!("HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:{port}/\r\n\r\n").as_bytes())
        }
        "/file" => xml(stream, &wrapper(base, "f", "file:///etc/passwd", "")),
        "/media" => xml(stream, &inline(base, "m", "").replace(&format!("{base}/m-720"), &format!("{own}/m-720"))),
        _ => xml(stream, &wrapper(base, "w", &format!("http://2130706433:{port}/"), "")),
    });
    for (target, code) in [("/redirect", 300), ("/wrapped", 300)] {
        assert_eq!(refused(&server, target).0, code, "{target}");
    }
    assert!(decide(format!("{}/file", server.base)).unwrap().ads.is_empty(), "a wrapper without an address is none");
    let chosen = decide(format!("{}/media", server.base)).unwrap();
    let denied = Client::new(reach(), bounds()).creative(&chosen.ads[0].media).unwrap_err();
    assert!(matches!(denied, CreativeError::Visit(VisitError::Denied(_))), "{denied:?}");
    assert_eq!(*inner.asked.lock(), [] as [String; 0], "nobody came there");
}

#[test]
fn a_creative_is_what_the_decision_said_and_no_larger_than_it_may_be() {
    let server = Server::start(|_, target, stream| match target {
        "/ok.mp4" => send(stream, 200, "video/mp4", b"file"),
        "/bytes.mp4" => send(stream, 200, "application/octet-stream", b"file"),
        "/page.mp4" => send(stream, 200, "text/html", b"<html>"),
        "/large.mp4" => send(stream, 200, "video/mp4", &vec![0; (1 << 20) + 1]),
        _ => send(stream, 404, "text/plain", b""),
    });
    let client = Client::new(reach(), bounds());
    let of = |name: &str| {
        let media = MediaFile {
            url: format!("{}/{name}", server.base),
            media_type: "video/mp4".into(),
            width: 640,
            height: 360,
            bitrate_kbps: 0,
            codec: None,
        };
        client.creative(&media).map_err(|error| error.code())
    };
    assert_eq!(of("ok.mp4").unwrap(), "file");
    assert_eq!(of("bytes.mp4").unwrap(), "file");
    assert_eq!((of("page.mp4"), of("large.mp4"), of("gone.mp4")), (Err(403), Err(400), Err(401)));
}
