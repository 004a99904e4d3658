//! What the pages promise: links lead somewhere, every key and every metric is told, figures agree, the front page is short.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use quadrille::api::{Code, openapi_document};
use quadrille::compositor::fit;
use quadrille::config::{
    Admission, CompositorChoice, Config, ConfigErrors, InStep, Ledger, Network, Output, SessionLimits, Stitch,
};
use quadrille::frame::{CodedSize, Rect};
use quadrille::layout::{Layout, Layouts, SlotTile};

const FRONT_PAGE_WORDS: usize = 500;
const EXAMPLE: &str = "quadrille.example.toml";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Every page of the project: those at the top, and all under `docs/`.
fn pages() -> Vec<PathBuf> {
    fn collect(folder: &Path, deep: bool, pages: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && deep {
                collect(&path, deep, pages);
            } else if path.extension().is_some_and(|e| e == "md") {
                pages.push(path);
            }
        }
    }
    let mut pages = Vec::new();
    collect(&root(), false, &mut pages);
    collect(&root().join("docs"), true, &mut pages);
    pages.sort();
    assert!(pages.len() > 10, "the scan found next to nothing");
    pages
}

/// The lines of a page that are not code.
fn prose(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    page.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The names that GitHub gives a page's headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let heading = |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_lowercase());
    let keep = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    };
    prose(page).filter_map(|(_, line)| heading(line)).map(|text| text.chars().filter_map(keep).collect()).collect()
}

/// Where the links and pictures of a line lead.
fn targets(line: &str) -> Vec<String> {
    // What stands in backticks is text.
    let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
    let mut rest = plain.as_str();
    let mut found = Vec::new();
    while let Some((_, after)) = rest.split_once("](") {
        let Some((target, behind)) = after.split_once(')') else { break };
        found.push(target.to_owned());
        rest = behind;
    }
    found
}

#[test]
fn every_link_leads_to_a_page_and_a_heading_that_are_there() {
    let mut wrong = Vec::new();
    let mut links = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for (line, target) in prose(&page).flat_map(|(n, line)| targets(line).into_iter().map(move |t| (n + 1, t))) {
            if target.contains("://") {
                continue;
            }
            links += 1;
            let (file, anchor) = target.split_once('#').map_or((target.as_str(), None), |(f, a)| (f, Some(a)));
            let to = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let place = format!("{}:{line}: {target}", path.strip_prefix(root()).unwrap().display());
            if !to.exists() {
                wrong.push(format!("{place}: there is no such file"));
            } else if let Some(anchor) = anchor
                && !anchors(&fs::read_to_string(&to).unwrap()).contains(anchor)
            {
                wrong.push(format!("{place}: there is no such heading"));
            }
        }
    }
    assert!(links > 50, "the scan found next to nothing");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_page_of_the_folder_is_in_its_index() {
    let index = read("docs/README.md");
    let decisions = read("docs/decisions/README.md");
    for path in pages() {
        let Ok(name) = path.strip_prefix(root().join("docs")) else { continue };
        let name = name.to_str().unwrap();
        let listed = match name.strip_prefix("decisions/") {
            _ if name == "README.md" => true,
            Some("README.md") | None => index.contains(&format!("({name})")),
            Some(record) => decisions.contains(&format!("({record})")),
        };
        assert!(listed, "docs/{name} is in no index");
    }
}

#[test]
fn the_front_page_has_at_most_five_hundred_words() {
    let words = read("README.md").split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count();
    assert!(words <= FRONT_PAGE_WORDS, "README.md has {words} words; at most {FRONT_PAGE_WORDS} are allowed");
}

/// Figures of a table's rows, by name: value and unit.
fn figures(page: &str) -> BTreeMap<String, (String, String)> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let figure = |row: Vec<String>| match row.as_slice() {
        [_, name, value, unit, _] if name.starts_with('`') => Some((name.clone(), (value.clone(), unit.clone()))),
        _ => None,
    };
    page.lines().filter_map(|line| figure(cells(line))).collect()
}

#[test]
fn the_front_page_has_five_figures_and_they_are_those_of_the_performance_page() {
    let all = figures(&read("docs/performance.md"));
    assert!(all.len() > 30, "the scan found next to nothing");
    let front = read("README.md");
    let rows = front.lines().filter(|line| line.starts_with('|') && line.ends_with("` |"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, _, shown, name, _] = cells.as_slice() else { panic!("{row}") };
        let (value, unit) = all.get(*name).unwrap_or_else(|| panic!("{name} is no figure of docs/performance.md"));
        assert_eq!(*shown, format!("{value} {unit}"), "{name}");
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn the_example_configuration_is_right_and_shows_the_defaults() {
    let config = Config::load(&root().join(EXAMPLE)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((config.listen.to_string().as_str(), config.data_dir.as_path()), ("127.0.0.1:8080", Path::new("data")));
    assert_eq!(config.compositor, CompositorChoice::default());
    // As on a machine of two cores, which is said beside it.
    assert_eq!(config.output, Output { renditions_by_room: false, ..Output::default() });
    assert_eq!((config.sessions, config.admission), (SessionLimits::default(), Admission::default()));
    assert_eq!((config.stitch, config.ledger), (Stitch::default(), Ledger::default()));
    assert_eq!(config.network, Network::default());
    assert_eq!((config.in_step, config.games[0].offset_ms), (InStep::default(), 0));
    assert_eq!(config.export.unwrap().batch, 100);
    assert_eq!((config.tenants[0].thresholds.len(), config.tenants[0].caps.len()), (2, 2));
    assert_eq!(config.prices.of("acme").tariffs().len(), 1);
}

/// A line of the example; a table that not everybody needs stands there as a comment.
fn uncommented(line: &str) -> &str {
    line.strip_prefix("# ").filter(|table| table.starts_with('[')).unwrap_or(line)
}

/// Every key that the configuration's reader knows, as `output.renditions.width`: a key that nobody knows, put into each table of the
/// example, is refused with those that are known there.
fn known_keys() -> BTreeSet<String> {
    const UNKNOWN: &str = "no_such_key";
    let mut text = format!("{UNKNOWN} = 1\n");
    for line in read(EXAMPLE).lines().map(uncommented) {
        text.push_str(&format!("{line}\n"));
        if line.starts_with('[') {
            text.push_str(&format!("{UNKNOWN} = 1\n"));
        }
    }
    let ConfigErrors { mistakes, .. } = Config::parse(&text, Path::new(EXAMPLE)).unwrap_err();
    let mut keys = BTreeSet::new();
    for mistake in mistakes {
        // A table that stands there as a comment lacks its keys.
        let Some((table, _)) = mistake.key.rsplit_once(UNKNOWN) else { continue };
        let table: String = table.split(['[', ']']).step_by(2).collect();
        keys.extend(mistake.allowed.split('`').skip(1).step_by(2).map(|key| format!("{table}{key}")));
    }
    assert!(keys.len() > 60, "the reader told next to nothing: {keys:?}");
    keys
}

/// Keys of a text in which headings such as `[output]` say what the keys after them belong to.
fn keys_under_headings<'t>(
    lines: impl Iterator<Item = &'t str>,
    heading: impl Fn(&str) -> Option<String>,
    key: impl Fn(&str) -> Option<String>,
) -> BTreeSet<String> {
    let mut table = None;
    let mut keys = BTreeSet::new();
    for line in lines {
        if let Some(name) = heading(line) {
            table = Some(name);
        } else if let (Some(table), Some(key)) = (&table, key(line)) {
            keys.insert(if table.is_empty() { key } else { format!("{table}.{key}") });
        }
    }
    keys
}

fn compare(place: &str, told: &BTreeSet<String>) {
    let known = known_keys();
    let missing: Vec<_> = known.difference(told).collect();
    let invented: Vec<_> = told.difference(&known).collect();
    assert!(missing.is_empty() && invented.is_empty(), "{place} lacks {missing:?}; nobody reads {invented:?}");
}

#[test]
fn the_example_configuration_has_every_key() {
    let text = read(EXAMPLE);
    let heading = |line: &str| uncommented(line).strip_prefix('[').map(|line| line.trim_matches(['[', ']']).to_owned());
    // A key that excludes another stands there as a comment.
    let key = |line: &str| {
        let (name, _) = line.trim_start_matches("# ").split_once(" = ")?;
        name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_').then(|| name.to_owned())
    };
    let mut told = keys_under_headings(["[]"].into_iter().chain(text.lines()), heading, key);
    // A table's own name is a key of the table around it.
    let tables: Vec<String> = text.lines().filter_map(heading).collect();
    told.extend(tables);
    compare(EXAMPLE, &told);
}

#[test]
fn the_configuration_page_has_every_key_and_no_others() {
    let page = read("docs/configuration.md");
    let heading = |line: &str| {
        let text = line.strip_prefix('#')?.trim_start_matches('#').trim();
        match text.strip_prefix("`[").and_then(|t| t.strip_suffix("]`")) {
            Some(table) => Some(table.trim_matches(['[', ']']).to_owned()),
            None if text == "Top of the file" => Some(String::new()),
            // A page's other headings have no keys: what stands there belongs to no table.
            None => Some("-".to_owned()),
        }
    };
    let key = |line: &str| line.strip_prefix("| `")?.split('`').next().map(str::to_owned);
    let mut told = keys_under_headings(page.lines(), heading, key);
    told.retain(|key| !key.starts_with("-."));
    compare("docs/configuration.md", &told);
}

/// The names that `src/metrics.rs` registers: the first text of each call.
fn metric_names() -> BTreeSet<String> {
    let source = read("src/metrics.rs");
    let mut names = BTreeSet::new();
    // A text that begins a call, but for the one that names the whole family.
    for (_, rest) in source.match_indices('(').map(|(at, open)| source.split_at(at + open.len())) {
        let name = rest.trim_start().strip_prefix('"').and_then(|text| text.split('"').next());
        names.extend(name.filter(|name| *name != "quadrille").map(|name| format!("quadrille_{name}")));
    }
    assert!(names.len() > 15, "the scan found next to nothing: {names:?}");
    names
}

#[test]
fn the_operations_page_tells_every_metric_and_no_others() {
    let page = read("docs/operations.md");
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let mentioned = |text: &str| -> BTreeSet<String> {
        let names = text.match_indices("quadrille_").map(|(at, _)| text[at..].split(|c| !is_name(c)).next().unwrap());
        names.map(str::to_owned).collect()
    };
    let row = |line: &str| line.strip_prefix("| `")?.split_once("` |").map(|(name, _)| name.to_owned());
    let told: BTreeSet<String> = page.lines().filter_map(row).collect();
    let metrics = metric_names();
    let missing: Vec<_> = metrics.difference(&told).collect();
    assert!(missing.is_empty(), "docs/operations.md lacks {missing:?}");
    for path in pages() {
        // What was true of an earlier version may have other names.
        if path.ends_with("CHANGELOG.md") {
            continue;
        }
        let unknown: Vec<_> = mentioned(&fs::read_to_string(&path).unwrap())
            .into_iter()
            .filter(|name| !metrics.contains(name) && !name.ends_with('_'))
            .collect();
        assert!(unknown.is_empty(), "{}: no metric is called {unknown:?}", path.display());
    }
}

/// The paths that a text names, such as `/v1/sessions/<id>`.
fn paths(text: &str) -> Vec<&str> {
    let ends = |c: char| c.is_whitespace() || "`'\"?…|,;)".contains(c);
    text.match_indices("/v1/")
        .map(|(at, _)| text[at..].split(ends).next().unwrap().trim_end_matches(['.', '/']))
        .collect()
}

#[test]
fn every_route_that_a_page_names_is_there() {
    let routes: Vec<String> = openapi_document().paths.paths.into_keys().collect();
    let is_variable = |part: &str| part.starts_with(['{', '<']);
    let fits = |named: &str, route: &str| {
        let (named, route): (Vec<&str>, Vec<&str>) = (named.split('/').collect(), route.split('/').collect());
        // A page may name what several routes begin with.
        named.len() <= route.len() && named.iter().zip(&route).all(|(n, r)| n == r || is_variable(r))
    };
    let mut named = 0;
    for page in pages().into_iter().filter(|page| !page.ends_with("CHANGELOG.md")) {
        let text = fs::read_to_string(&page).unwrap();
        // Addresses of somebody else.
        let text = text.replace("/api/v1/", "/").replace("`/v1/traces`", "");
        for path in paths(&text) {
            named += 1;
            assert!(routes.iter().any(|route| fits(path, route)), "{}: there is no {path}", page.display());
        }
    }
    assert!(named > 10, "the scan found next to nothing");
}

#[test]
fn every_code_of_the_integrators_page_is_there() {
    let page = read("docs/integrating.md");
    let (_, table) = page.split_once("| code | do |").unwrap();
    let cells = table.lines().skip(2).map_while(|line| line.strip_prefix("| ")?.split(" | ").next());
    let told: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(told.len() > 10, "the scan found next to nothing");
    let unknown: Vec<_> = told.iter().filter(|told| !Code::ALL.iter().any(|code| code.name() == **told)).collect();
    assert!(unknown.is_empty(), "no refusal is called {unknown:?}");
}

#[test]
fn the_version_is_the_same_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(openapi_document().info.version, version);
    let changes = read("CHANGELOG.md");
    let newest = changes.lines().find_map(|line| line.strip_prefix("## ")).unwrap();
    assert_eq!(newest.split_whitespace().next(), Some(version), "the newest part of CHANGELOG.md");
    assert!(read("web/package.json").contains(&format!("\"version\": \"{version}\"")), "web/package.json");
}

#[test]
fn the_scans_see_links_headings_and_keys() {
    let page = "# A `[[b.c]]` d\n```sh\n# no heading [x](y)\n```\n[l](a.md#b) `[no](link)` ![p](c.png)\n";
    assert_eq!(anchors(page), BTreeSet::from(["a-bc-d".to_owned()]));
    let found: Vec<String> = prose(page).flat_map(|(_, line)| targets(line)).collect();
    assert_eq!(found, ["a.md#b", "c.png"]);
    assert!(known_keys().contains("output.renditions.width") && known_keys().contains("listen"));
}

/// What a 16:9 picture gets of each of a layout's slots, in percent of its area, on a ladder of these canvases.
fn slot_areas(layout: &Layout, ladder: &[(u32, u32)]) -> Vec<Vec<u32>> {
    let canvases: Vec<CodedSize> = ladder.iter().map(|(width, height)| CodedSize::of(*width, *height)).collect();
    let of_rungs = if layout.is_whole() { None } else { layout.tiles_on(&canvases) };
    let Some(of_rungs) = of_rungs else { return ladder.iter().map(|_| vec![100; layout.slots.len()]).collect() };
    let area = |(tile, slot): (&SlotTile, &Rect), canvas: &CodedSize| {
        let shown = fit(16, 9, (1, 1), tile.size.inside);
        let scale = f64::from(canvas.height) / f64::from(layout.canvas.1);
        let whole = f64::from(slot.width) * f64::from(slot.height) * scale * scale;
        (100.0 * f64::from(shown.width * shown.height) / whole).floor() as u32
    };
    let rung = |(tiles, canvas): (&Vec<SlotTile>, &CodedSize)| {
        tiles.iter().zip(&layout.slots).map(|of| area(of, canvas)).collect()
    };
    of_rungs.iter().zip(&canvases).map(rung).collect()
}

#[test]
fn the_layouts_page_says_how_much_of_a_slot_is_picture() {
    let ladder = [(1920, 1080), (1280, 720), (960, 540), (640, 360)];
    let mut table = "| layout | 1080p | 720p | 540p | 360p |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for layout in Layouts::bundled().iter().filter(|layout| !layout.overlap) {
        // The default ladder, and the one that the demo takes on a small machine.
        let [high, low] = [[0, 2], [1, 3]].map(|rungs| slot_areas(layout, &rungs.map(|rung| ladder[rung])));
        let said = |areas: &[u32]| {
            let mut areas = areas.to_vec();
            areas.dedup();
            areas.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
        };
        let cells = [&high[0], &low[0], &high[1], &low[1]].map(|areas| said(areas));
        table += &format!("| `{}` | {} % |\n", layout.id, cells.join(" % | "));
    }
    let page = read("docs/layouts.md");
    let (_, rest) = page.split_once("<!-- slots: begin -->\n").expect("a place for the table");
    let (there, _) = rest.split_once("<!-- slots: end -->").expect("its end");
    assert!(there == table, "docs/layouts.md should say:\n{table}");
}

#[test]
fn every_dependency_is_justified() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let page = read("docs/dependencies.md");
    let told: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|crates| crates.split(", "))
        .collect();
    for table in ["dependencies", "build-dependencies", "dev-dependencies"] {
        for name in manifest[table].as_table().unwrap().keys() {
            assert!(told.contains(name.as_str()), "docs/dependencies.md says nothing of {name}");
        }
    }
}

#[test]
fn the_session_of_the_page_for_integrators_has_games_of_the_example_configuration() {
    let there: toml::Table = read("quadrille.example.toml").parse().unwrap();
    let ids: BTreeSet<&str> =
        there["games"].as_array().unwrap().iter().map(|game| game["id"].as_str().unwrap()).collect();
    let page = read("docs/integrating.md");
    let lists: Vec<&str> =
        page.split("\"games\": [").skip(1).map(|rest| rest.split(']').next().unwrap_or_default()).collect();
    assert!(lists.len() >= 2, "the page shows how a session is made and changed");
    for game in lists.iter().flat_map(|list| list.split('"').skip(1).step_by(2)) {
        assert!(ids.contains(game), "quadrille.example.toml has no game {game:?}; it has {ids:?}");
    }
}

#[test]
fn the_page_for_integrators_has_every_refusal_of_the_routes_for_devices() {
    let page = read("docs/integrating.md");
    for code in ["skin_unknown", "start_invalid", "media_type_unsupported", "sound_unknown", "start_over_off"] {
        assert!(Code::ALL.iter().any(|known| known.name() == code), "{code}");
        assert!(page.contains(&format!("`{code}`")), "docs/integrating.md says nothing of {code}");
    }
}
