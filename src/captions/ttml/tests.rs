use proptest::prelude::*;

use super::*;
use crate::captions::{Align, LineAlign, LinePosition, Percent, Rgba, Style};

/// A cue as (milliseconds, milliseconds, text).
fn told(document: &Document) -> Vec<(u128, Option<u128>, String)> {
    let ms = |time: Duration| time.as_millis();
    document.cues.iter().map(|cue| (ms(cue.start), cue.end.map(ms), cue.text.text())).collect()
}

fn body(parameters: &str, body: &str) -> Document {
    let xml = format!(
        r##"<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling"
        xmlns:ttp="http://www.w3.org/ns/ttml#parameter" xmlns:itts="http://www.w3.org/ns/ttml/profile/imsc1#styling"
        xml:lang="de" {parameters}><head><styling>
        <style xml:id="base" tts:color="yellow" tts:textAlign="center"/>
        <style xml:id="loud" style="base" tts:fontWeight="bold" tts:backgroundColor="#00000080"/>
        <style xml:id="round" style="turn"/><style xml:id="turn" style="round" tts:color="red"/>
        </styling><layout>
        <region xml:id="low" tts:origin="10% 80%" tts:extent="80% 10%" tts:displayAlign="after"/>
        <region xml:id="top" tts:displayAlign="before"><style tts:origin="192px 5c"/><style tts:extent="960px 3c"/>
        <style tts:textAlign="right" tts:color="#00ff00"/></region>
        </layout></head><body>{body}</body></tt>"##
    );
    read(&xml).unwrap()
}

#[test]
fn a_document_of_hls_is_read() {
    let document = body(
        r#"tts:extent="1920px 1080px" ttp:cellResolution="40 20""#,
        r##"<div style="base">
          <p begin="00:00:01.000" end="00:00:03.500" region="low">
            First   line<br/>
            <span tts:fontStyle="italic">second</span> <span style="loud">line</span>
          </p>
          <p begin="00:00:04" dur="2s" region="top" xml:space="preserve">Two  spaces</p>
          <p begin="7s" end="8s" itts:forcedDisplay="true">Forced &amp; free</p>
          <p begin="9s" end="10s" tts:display="none">never</p>
          <p begin="11s" end="12s" style="round">circle</p>
        </div>"##,
    );
    assert_eq!(document.language.as_deref(), Some("de"));
    assert_eq!(
        told(&document),
        [
            (1000, Some(3500), "First line\nsecond line".to_owned()),
            (4000, Some(6000), "Two  spaces".to_owned()),
            (7000, Some(8000), "Forced & free".to_owned()),
            (11_000, Some(12_000), "circle".to_owned()),
        ]
    );
    let yellow = Style { colour: Some(Rgba::opaque(255, 255, 0)), ..Style::default() };
    let first = &document.cues[0].text;
    assert_eq!(first.lines[0].spans()[0].style, yellow);
    let spans = first.lines[1].spans();
    assert_eq!((spans[0].text.as_str(), spans[0].style), ("second", Style { italic: true, ..yellow }));
    let loud = Style { bold: true, background: Some(Rgba { r: 0, g: 0, b: 0, a: 128 }), ..yellow };
    assert_eq!((spans[2].text.as_str(), spans[2].style), ("line", loud));
    // At the lower edge of its region, about its middle.
    let placement = first.placement;
    assert_eq!((placement.line, placement.line_align), (LinePosition::At(Percent::new(9000)), LineAlign::End));
    assert_eq!((placement.position, placement.size), (Some(Percent::new(5000)), Percent::new(8000)));
    assert_eq!(placement.align, Align::Center);
    // 192 pixels of 1920 and 5 cells of 20; what the division's style says is above what the region's does.
    let second = &document.cues[1].text;
    assert_eq!(second.placement.line, LinePosition::At(Percent::new(2500)));
    assert_eq!((second.placement.align, second.placement.position), (Align::Center, Some(Percent::new(3500))));
    assert_eq!(second.lines[0].spans()[0].style, yellow);
    assert!(document.cues[2].forced && !document.cues[1].forced);
    assert_eq!(document.cues[2].text.placement.line, LinePosition::Auto);
}

#[test]
fn a_region_gives_what_its_content_does_not_say() {
    let document = body(r#"tts:extent="1920px 1080px""#, r#"<div><p region="top" begin="0s" end="1s">green</p></div>"#);
    let text = &document.cues[0].text;
    assert_eq!(text.lines[0].spans()[0].style.colour, Some(Rgba::opaque(0, 255, 0)));
    assert_eq!((text.placement.align, text.placement.position), (Align::Right, Some(Percent::new(6000))));
}

#[test]
fn times_within_times_add_up() {
    let document = body(
        r#"ttp:frameRate="25" ttp:tickRate="1000""#,
        r#"<div begin="10s"><p begin="1s" end="5s">a<span begin="1s" end="2s">b</span><span begin="50f">c</span></p></div>
           <div begin="20s" timeContainer="seq"><p dur="1500t">one</p><p begin="500t" dur="1s">two</p></div>
           <div end="00:00:31:00"><p begin="30s" end="40s">cut</p></div>
           <div begin="50s"><p>open</p></div>"#,
    );
    assert_eq!(
        told(&document),
        [
            (11_000, Some(12_000), "a".to_owned()),
            (12_000, Some(13_000), "ab".to_owned()),
            (13_000, Some(15_000), "ac".to_owned()),
            (20_000, Some(21_500), "one".to_owned()),
            (22_000, Some(23_000), "two".to_owned()),
            (30_000, Some(31_000), "cut".to_owned()),
            (50_000, None, "open".to_owned()),
        ]
    );
}

/// Paragraphs of one region flow one under the other: at each time all of them are one cue.
#[test]
fn paragraphs_of_a_region_that_overlap_are_one_cue() {
    let document = body(
        "",
        r#"<div><p region="low" begin="1s" end="3s">up</p><p region="low" begin="2s" end="4s">down</p>
        <p region="top" begin="2s" end="3s">elsewhere</p></div>"#,
    );
    assert_eq!(
        told(&document),
        [
            (1000, Some(2000), "up".to_owned()),
            (2000, Some(3000), "up\ndown".to_owned()),
            (2000, Some(3000), "elsewhere".to_owned()),
            (3000, Some(4000), "down".to_owned()),
        ]
    );
}

#[test]
fn a_sample_s_times_are_its_track_s() {
    let document = body("", r#"<div><p begin="100s" end="101s">a</p><p begin="101s">b</p></div>"#);
    let end = MediaTime::from_secs(504);
    let cues = document.cues_on(Duration::from_secs(98), MediaTime::from_secs(500), Some(end));
    let times: Vec<_> = cues.iter().map(|cue| (cue.start, cue.end)).collect();
    assert_eq!(
        times,
        [(MediaTime::from_secs(502), Some(MediaTime::from_secs(503))), (MediaTime::from_secs(503), Some(end))]
    );
}

#[test]
fn what_is_no_ttml_is_refused() {
    assert!(matches!(read(""), Err(TtmlError::Xml(_))));
    assert_eq!(read("<html/>"), Err(TtmlError::Root("html".to_owned())));
    // Entities that multiply need a DTD, and there is none.
    assert!(matches!(read("<!DOCTYPE tt [<!ENTITY a 'b'>]><tt>&a;</tt>"), Err(TtmlError::Xml(_))));
    assert_eq!(read("<tt/>"), Ok(Document::default()));
    // Styles that fan out, each to all.
    let ids: String = (0..64).map(|n| format!("s{n} ")).collect();
    let styles: String = (0..64).map(|n| format!(r#"<style xml:id="s{n}" style="{ids}"/>"#)).collect();
    let fan =
        format!(r#"<tt><head><styling>{styles}</styling></head><body style="{ids}"><div><p>x</p></div></body></tt>"#);
    assert_eq!(read(&fan).unwrap().cues.len(), 1);
    // Deeper than anybody writes: nothing overflows.
    let deep = format!("<tt><body>{}<p>x</p>{}</body></tt>", "<div>".repeat(50_000), "</div>".repeat(50_000));
    assert!(read(&deep).is_ok_and(|document| document.cues.is_empty()));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,100}") {
        let _ = read(&text);
    }

    #[test]
    fn any_attributes_are_borne(
        times in prop::collection::vec(("[0-9:.]{0,12}[hmsft]{0,2}", "[0-9]{1,3}(s|ms|f|t)", any::<bool>()), 0..12),
        value in "[a-z0-9#% .]{0,16}",
        rate in "[0-9]{0,12}",
    ) {
        let paragraphs: String = times.iter().map(|(begin, end, top)| {
            let region = if *top { "top" } else { "low" };
            format!(r#"<p region="{region}" begin="{begin}" end="{end}" tts:color="{value}" tts:textDecoration="{value}">x<br/>y</p>"#)
        }).collect();
        let document = body(&format!(r#"ttp:frameRate="{rate}" ttp:tickRate="{rate}" tts:extent="{value}""#), &paragraphs);
        for cue in document.cues_on(Duration::ZERO, MediaTime::from_nanos(u64::MAX - 5), None) {
            prop_assert!(cue.end.is_none_or(|end| end > cue.start));
        }
    }
}

#[test]
fn what_is_told_again_with_every_change_is_bounded() {
    let (long, ends): (String, u32) = ("word ".repeat(2000), 5000);
    let stays = |n: u32| format!("<p begin=\"0s\" end=\"9999s\">{long}{n}</p>");
    let comes = |n: u32| format!("<p begin=\"{n}s\" end=\"{}s\">x</p>", n + 1);
    let all: String = (0..10).map(stays).chain((1..1000).map(comes)).collect();
    let document = body("", &format!("<div>{all}</div>"));
    let bytes: usize = document.cues.iter().map(|cue| cue.text.text().len()).sum();
    assert!(bytes <= 16 << 20, "{bytes} bytes of {}", all.len());
    assert!(document.cues.iter().all(|cue| cue.text.text().len() <= 32 << 10));
    // Short ones are as many as are taken of one segment.
    let short: String = (1..ends).map(comes).collect();
    assert_eq!(body("", &format!("<div>{}</div>", short.replace(">x<", ">xy<"))).cues.len(), 1);
    let each = |n: u32| format!("<p begin=\"{n}s\" end=\"{}s\">x{n}</p>", n + 1);
    let cues = body("", &format!("<div>{}</div>", (1..ends).map(each).collect::<String>())).cues;
    assert_eq!((cues.len(), cues[4095].text.text()), (4096, "x4096".into()));
}
