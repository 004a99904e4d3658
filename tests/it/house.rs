//! The house rules that a program can check: who may use whom, and how long a file may grow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms, what each holds, and the rooms it may use. The only such list: `ARCHITECTURE.md` shows it as a table, which a test below
/// compares. An edge that nobody uses is taken out.
const ROOMS: [(&str, &str, &[&str]); 44] = [
    ("timeline", "epoch grid, clocks", &[]),
    ("frame", "pictures, sound, access units, colour", &[]),
    ("jpeg", "small pictures as JPEG, and sheets of them (pure)", &["frame"]),
    ("work", "threads of one's own, bounded work for them, priorities", &["timeline"]),
    ("metrics", "every metric's name and help", &[]),
    ("spans", "how long what is done takes, for a collector; OpenTelemetry", &[]),
    ("layout", "layout files → checked rectangles", &["frame"]),
    (
        "assets",
        "art and skins: files checked, kept, made pictures of the canvas, in processes of their own",
        &["frame", "layout", "package", "work"],
    ),
    ("ladder", "renditions, and how their pictures are coded", &["timeline", "frame"]),
    ("reach", "where sources may lead: schemes, hosts, addresses, ports, files", &[]),
    (
        "config",
        "one struct a topic, mistakes with line and key",
        &["timeline", "ladder", "usage", "reach", "market", "outputs"],
    ),
    (
        "captions",
        "text of games: CEA-608 and -708, teletext, WebVTT, TTML; WebVTT written (pure)",
        &["timeline", "frame"],
    ),
    ("cues", "breaks and what else is signalled of a game: SCTE 35, date ranges (pure)", &["timeline"]),
    ("cadence", "one picture a tick; source clocks (pure)", &["timeline"]),
    ("sync", "when pictures were captured, how far games are apart, which is delayed (pure)", &["timeline", "cadence"]),
    (
        "feed",
        "sources, decoding, slate; GStreamer",
        &["frame", "jpeg", "timeline", "cadence", "sync", "config", "work", "cues", "captions", "reach"],
    ),
    ("compositor", "canvases; wgpu, AVX2", &["frame", "work"]),
    ("encode", "libx264, libx265, AAC; decoding what was encoded", &["frame", "timeline", "ladder", "work"]),
    ("stitch", "H.264 slices: headers rewritten, mosaics gathered from tiles (pure)", &["timeline"]),
    (
        "track",
        "runs of coded media: encoders at work, blocks, shelves",
        &["timeline", "frame", "ladder", "encode", "stitch", "metrics", "work", "captions"],
    ),
    ("package", "CMAF boxes (pure)", &["frame", "timeline"]),
    ("hls", "playlists (pure)", &["timeline", "package", "cues"]),
    (
        "mosaic",
        "names, engines, registry, admission, tick",
        &[
            "timeline",
            "frame",
            "jpeg",
            "metrics",
            "layout",
            "ladder",
            "compositor",
            "encode",
            "stitch",
            "track",
            "package",
            "work",
            "assets",
            "spans",
        ],
    ),
    ("store", "SQLite behind a trait", &[]),
    ("events", "what happens that tenants may want to be told of, and where it waits", &[]),
    ("market", "markets and tiers: what sessions may have", &["store"]),
    ("audit", "who did what on operators' routes, in chains of digests", &["store"]),
    ("keys", "who asks: keys, scopes, tokens that others sign", &["config", "market", "store", "feed", "reach"]),
    ("outputs", "which games stand in which skins at addresses that stay, and who may see them", &["store"]),
    ("usage", "meter, ledger, prices, reports", &["store", "timeline", "metrics"]),
    (
        "outbound",
        "export of the ledger, webhooks and their outbox, the look at thresholds and caps; HTTP to others, rustls",
        &["store", "usage", "timeline", "metrics", "config", "reach", "events", "spans"],
    ),
    (
        "decisions",
        "what is shown in a break: VAST, asked ahead; beacons until they are told",
        &["feed", "reach", "config", "store", "outbound"],
    ),
    (
        "session",
        "sessions, splices, restarts",
        &[
            "mosaic", "hls", "track", "usage", "timeline", "layout", "ladder", "store", "metrics", "frame", "cues",
            "captions", "sync", "assets", "market", "outputs", "events", "spans",
        ],
    ),
    (
        "catalogue",
        "games, their feeds, sound and texts",
        &[
            "feed", "store", "config", "timeline", "track", "package", "frame", "mosaic", "session", "metrics", "cues",
            "captions", "sync", "jpeg", "reach", "market", "events",
        ],
    ),
    (
        "breaks",
        "what stands in for games in breaks: made beforehand, put down, told",
        &[
            "timeline",
            "frame",
            "track",
            "encode",
            "package",
            "mosaic",
            "session",
            "decisions",
            "feed",
            "reach",
            "config",
            "market",
            "assets",
            "store",
            "metrics",
            "work",
        ],
    ),
    ("lint", "rules for HLS streams, and whatever breaks them", &[]),
    ("clips", "files of what was played", &["timeline", "package", "mosaic", "session", "catalogue"]),
    (
        "api",
        "routes, keys, problems; TLS; axum",
        &[
            "timeline",
            "frame",
            "metrics",
            "layout",
            "track",
            "config",
            "mosaic",
            "usage",
            "session",
            "catalogue",
            "clips",
            "cues",
            "assets",
            "jpeg",
            "market",
            "breaks",
            "outputs",
            "keys",
            "audit",
            "outbound",
            "events",
            "spans",
        ],
    ),
    ("service", "puts it all together", &["*"]),
    ("lib", "the library's list of rooms", &[]),
    ("main", "the program: signals", &["*"]),
    ("cli", "command line, log", &["*"]),
    ("demo", "`quadrille demo`", &["*"]),
    ("memory", "what malloc keeps", &[]),
];

/// Crates that only some rooms may use, so that changing one never reaches further.
const CRATE_USERS: [(&str, &[&str]); 29] = [
    ("gstreamer", &["feed", "encode"]),
    ("gstreamer_app", &["feed", "encode"]),
    ("gstreamer_audio", &["feed", "encode"]),
    ("gstreamer_video", &["feed", "encode"]),
    ("wgpu", &["compositor"]),
    ("axum", &["api"]),
    ("jpeg_encoder", &["jpeg"]),
    ("fast_image_resize", &["jpeg", "assets"]),
    ("image", &["assets"]),
    ("resvg", &["assets"]),
    ("sqlx", &["store"]),
    ("mp4_atom", &["package"]),
    ("ed25519_dalek", &["usage"]),
    ("hyper_rustls", &["outbound"]),
    ("rustls", &["api", "outbound", "feed", "lint"]),
    ("tokio_rustls", &["api"]),
    ("rustls_native_certs", &["outbound", "feed", "lint"]),
    ("ureq", &["feed", "lint"]),
    ("aes", &["feed", "lint"]),
    ("cbc", &["feed", "lint"]),
    ("landlock", &["feed", "assets"]),
    ("postcard", &["feed"]),
    ("seccompiler", &["feed", "assets"]),
    ("governor", &["api"]),
    ("opentelemetry", &["spans"]),
    ("opentelemetry_sdk", &["spans", "outbound"]),
    ("opentelemetry_proto", &["outbound"]),
    ("prost", &["outbound"]),
    ("tracing_opentelemetry", &["spans"]),
];

const MAX_FILE_LINES: usize = 600;

#[test]
fn rooms_use_only_the_rooms_they_may() {
    let may_use: BTreeMap<&str, &[&str]> = ROOMS.into_iter().map(|(room, _, may_use)| (room, may_use)).collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(allowed) = may_use.get(source.room.as_str()) else {
            wrong.push(format!("{}: `{}` is no room of the table", source.path.display(), source.room));
            continue;
        };
        for used in rooms_used(&source) {
            if used != source.room && !allowed.contains(&used.as_str()) && !allowed.contains(&"*") {
                wrong.push(format!("{}: `{}` may not use `{used}`", source.path.display(), source.room));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_edge_that_is_allowed_is_used() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        used.entry(source.room.clone()).or_default().extend(rooms_used(&source));
    }
    let mut wrong = Vec::new();
    for (room, _, may_use) in ROOMS {
        let Some(used) = used.get(room) else {
            wrong.push(format!("there is no room `{room}`"));
            continue;
        };
        let unused = may_use.iter().filter(|other| **other != "*" && !used.contains(**other));
        wrong.extend(unused.map(|other| format!("`{room}` no longer uses `{other}`: take the edge out")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_architecture_page_shows_the_same_rooms() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let page = fs::read_to_string(path).unwrap();
    let (begin, end) = ("<!-- rooms: begin -->\n", "<!-- rooms: end -->");
    let shown = page.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).map(|(table, _)| table);
    let right = room_table();
    assert_eq!(shown, Some(right.as_str()), "\nThe table between the `rooms` comments must be:\n\n{right}");
}

fn room_table() -> String {
    let mut table = "| room | holds | may use |\n| --- | --- | --- |\n".to_owned();
    for (room, holds, may_use) in ROOMS {
        let names: Vec<String> = may_use.iter().map(|other| format!("`{other}`")).collect();
        let names = match may_use {
            [] => "–".to_owned(),
            ["*"] => "all".to_owned(),
            _ => names.join(", "),
        };
        table.push_str(&format!("| `{room}` | {holds} | {names} |\n"));
    }
    table
}

#[test]
fn some_crates_have_one_room() {
    let mut wrong = Vec::new();
    for source in sources() {
        let used = path_heads(&source.code);
        for (name, rooms) in CRATE_USERS {
            if used.contains(name) && !rooms.contains(&source.room.as_str()) {
                wrong.push(format!("{}: only {rooms:?} may use `{name}`", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_file_holds_two_things() {
    let long = |path: &PathBuf| {
        let lines = fs::read_to_string(path).unwrap().lines().count();
        (lines > MAX_FILE_LINES).then(|| format!("{}: {lines} lines; at most {MAX_FILE_LINES}", path.display()))
    };
    let mut files = Vec::new();
    rust_files(&source_root(), &mut files);
    let wrong: Vec<String> = files.iter().filter_map(long).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A source file without its comments, texts and tests.
struct Source {
    path: PathBuf,
    /// First folder or file name below `src/`.
    room: String,
    /// Modules between the crate's root and this one: `super` that often leads out of the room.
    depth: usize,
    code: String,
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    rust_files(&source_root(), &mut files);
    files.sort();
    let mut test_modules = BTreeSet::new();
    let mut sources = Vec::new();
    for path in files {
        let (code, tests) = without_tests(&without_comments_and_texts(&fs::read_to_string(&path).unwrap()));
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let parent = path.parent().unwrap();
        let children = if ["mod", "lib", "main"].contains(&stem) { parent.to_owned() } else { parent.join(stem) };
        test_modules.extend(tests.iter().map(|name| children.join(name)));
        let inside: Vec<String> = path
            .strip_prefix(source_root())
            .unwrap()
            .with_extension("")
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .filter(|part| part != "mod")
            .collect();
        sources.push(Source { path, room: inside[0].clone(), depth: inside.len(), code });
    }
    // A test module in its own file is `name.rs`, `name/mod.rs` or anything under `name/`.
    sources.retain(|s| !test_modules.iter().any(|t| s.path.with_extension("").starts_with(t)));
    assert!(sources.len() > 15, "the scan found next to nothing");
    sources
}

/// Blanks comments, string and character literals.
fn without_comments_and_texts(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let skipped = match rest {
            [b'/', b'/', ..] => rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
            [b'/', b'*', ..] => 2 + find(&rest[2..], b"*/").map_or(rest.len() - 2, |p| p + 2),
            [b'r', b'"' | b'#', ..] if !ends_in_word(&code) => raw_text(rest),
            [b'"', ..] => quoted(rest),
            [b'\'', b'\\', ..] => 2 + rest[2..].iter().skip(1).position(|b| *b == b'\'').map_or(0, |p| p + 2),
            [b'\'', _, b'\'', ..] => 3,
            _ => 0,
        };
        if skipped > 0 {
            code.push(' ');
            at += skipped;
        } else {
            code.push(if bytes[at].is_ascii() { char::from(bytes[at]) } else { ' ' });
            at += 1;
        }
    }
    code
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|w| w == wanted)
}

fn ends_in_word(code: &str) -> bool {
    code.chars().last().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// Length of the raw text `rest` begins with; 0 when it is a raw identifier.
fn raw_text(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = 2 + hashes;
    body + find(&rest[body..], &end).map_or(rest.len() - body, |p| p + end.len())
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Cuts out `#[cfg(test)]` items; also gives the names of test modules that live in files of their own.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let mut kept = String::new();
    let mut names = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        let item = &rest[at + "#[cfg(test)]".len()..];
        let end = item.find([';', '{']).unwrap_or(item.len().saturating_sub(1));
        if item[end..].starts_with(';') {
            let words: Vec<&str> = item[..end].split_whitespace().collect();
            if let [.., "mod", name] = words.as_slice() {
                names.push((*name).to_owned());
            }
            rest = &item[end + 1..];
        } else {
            rest = &item[end + closing_brace(&item[end..])..];
        }
    }
    kept.push_str(rest);
    (kept, names)
}

/// Length of the block that `code` begins with, braces included.
fn closing_brace(code: &str) -> usize {
    let mut open = 0usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The rooms a file's code names, by `crate::` or by enough `super::`.
fn rooms_used(source: &Source) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let mut rest = source.code.as_str();
    while let Some(at) = rest.find("crate::") {
        let begins = !ends_in_word(&rest[..at]);
        rest = &rest[at + "crate::".len()..];
        if begins {
            used.extend(heads(rest));
        }
    }
    let out = "super::".repeat(source.depth);
    let mut rest = source.code.as_str();
    while let Some(at) = rest.find(&out) {
        rest = &rest[at + out.len()..];
        used.extend(heads(rest).into_iter().filter(|head| ROOMS.iter().any(|(room, ..)| room == head)));
    }
    used
}

/// What the path that `code` begins with names first: `feed::Feed` gives `feed`, `{feed::Feed, frame}` both.
fn heads(code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    if !code.starts_with('{') {
        return vec![word(code)];
    }
    let block = &code[1..closing_brace(code).saturating_sub(1).max(1)];
    let mut depth = 0usize;
    let mut parts = vec![String::new()];
    for c in block.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => parts.push(String::new()),
            _ if depth == 0 => parts.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    parts.iter().map(|part| word(part.trim())).filter(|head| !head.is_empty()).collect()
}

/// Every word that begins a path: the `a` of `a::b`, also in `use a::b`.
fn path_heads(code: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("::") {
        let word: String =
            code[..at].chars().rev().take_while(|c| is_word(*c)).collect::<Vec<_>>().into_iter().rev().collect();
        let before = &code[..at - word.len()];
        if !word.is_empty() && !before.ends_with("::") {
            found.insert(word);
        }
    }
    // `use wgpu;` and `use gstreamer as gst;` begin no path.
    for import in code.split("use ").skip(1) {
        found.insert(import.chars().take_while(|c| is_word(*c)).collect());
    }
    found
}

#[test]
fn the_scan_sees_every_way_to_name_a_room_and_no_others() {
    let text = r##"
        // use crate::api::Comment;
        use crate::{feed::{Feed, crate_like}, frame};
        use crate::layout::Layout;
        pub(crate) fn f(c: char) -> crate::hls::Box { let _ = "crate::api"; let _ = r#"crate::api""#; c == '"'; x }
        fn g() { super::mosaic::want(); super::local(); }
        #[cfg(test)]
        mod tests { use crate::api::Router; fn nested() { {} } }
        #[cfg(test)]
        mod far;
        use crate::usage::Meter;
    "##;
    let (code, tests) = without_tests(&without_comments_and_texts(text));
    assert_eq!(tests, ["far"]);
    let source = Source { path: PathBuf::new(), room: "session".to_owned(), depth: 1, code };
    let used: Vec<String> = rooms_used(&source).into_iter().collect();
    assert_eq!(used, ["feed", "frame", "hls", "layout", "mosaic", "usage"]);
    assert!(path_heads("use gstreamer as gst; fn f() -> sqlx::Row { a::wgpu::b }").contains("gstreamer"));
    assert!(!path_heads("a::wgpu::b").contains("wgpu") && path_heads("a::<sqlx::Row>").contains("sqlx"));
}
