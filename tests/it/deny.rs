//! What `deny.toml` says of licences, bans and sources, held without the internet and without cargo-deny, which asks the same where it is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};

/// A crate that this machine builds, with tests and build scripts.
struct Crate {
    name: String,
    licence: Option<String>,
    /// Where it comes from; `None`: it is our own.
    source: Option<String>,
    /// What it needs, and in which versions.
    needs: Vec<(String, String)>,
}

fn deny() -> toml::Table {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml")).unwrap().parse().unwrap()
}

/// Those of the target that this machine is, as they are locked. All of them are here, or this test would not be.
fn crates() -> Vec<Crate> {
    let deny = deny();
    let targets = deny["graph"]["targets"].as_array().unwrap().iter().map(|target| target.as_str().unwrap());
    let target = targets.into_iter().find(|target| target.starts_with(std::env::consts::ARCH)).unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let asked = ["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", target];
    let told = Command::new(cargo).current_dir(env!("CARGO_MANIFEST_DIR")).args(asked).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let nodes = told["resolve"]["nodes"].as_array().unwrap();
    let linked: BTreeSet<&str> = nodes.iter().map(|node| node["id"].as_str().unwrap()).collect();
    let packages = told["packages"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let all = packages.filter(|package| linked.contains(package["id"].as_str().unwrap())).map(|package| Crate {
        name: text(&package["name"]).unwrap(),
        licence: text(&package["license"]),
        source: text(&package["source"]),
        needs: package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|need| (text(&need["name"]).unwrap(), text(&need["req"]).unwrap()))
            .collect(),
    });
    let all: Vec<Crate> = all.collect();
    assert!(all.len() > 300, "{} crates are not all", all.len());
    all
}

fn texts(list: &toml::Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_crate_has_a_licence_that_is_let_through_and_none_is_let_through_for_nothing() {
    let deny = deny();
    let allowed = texts(&deny["licenses"]["allow"]);
    let exceptions: BTreeMap<String, Vec<String>> = deny["licenses"]["exceptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["crate"].as_str().unwrap().to_owned(), texts(&one["allow"])))
        .collect();
    let crates = crates();
    let (mut wrong, mut named) = (Vec::new(), BTreeSet::new());
    for Crate { name, licence, .. } in &crates {
        let Some(licence) = licence else {
            wrong.push(format!("{name} names no licence"));
            continue;
        };
        let expression = Expression::parse_mode(licence, ParseMode::LAX).unwrap_or_else(|e| panic!("{name}: {e}"));
        named.extend(expression.requirements().map(|one| one.req.to_string()));
        let excepted = exceptions.get(name).map_or(&[][..], Vec::as_slice);
        if !expression.evaluate(|one| [allowed.as_slice(), excepted].concat().contains(&one.to_string())) {
            wrong.push(format!("{name}: {licence}"));
        }
    }
    wrong
        .extend(allowed.iter().filter(|one| !named.contains(*one)).map(|one| format!("nothing has the licence {one}")));
    let is_there = |name: &String| crates.iter().any(|one| one.name == *name);
    wrong.extend(exceptions.keys().filter(|name| !is_there(name)).map(|name| format!("there is no crate {name}")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_crate_that_is_banned_comes_in_and_none_in_any_version() {
    let deny = deny();
    let banned = deny["bans"]["deny"].as_array().unwrap().iter().map(|one| one["crate"].as_str().unwrap());
    let banned: BTreeSet<&str> = banned.collect();
    let crates = crates();
    let came_in: Vec<&str> = crates.iter().map(|one| one.name.as_str()).filter(|name| banned.contains(name)).collect();
    assert!(came_in.is_empty(), "{came_in:?}");
    assert_eq!(deny["bans"]["wildcards"].as_str(), Some("deny"));
    for own in crates.iter().filter(|one| one.source.is_none()) {
        let wild: Vec<_> = own.needs.iter().filter(|(_, versions)| versions.contains('*')).collect();
        assert!(wild.is_empty(), "{}: {wild:?}", own.name);
    }
}

#[test]
fn crates_come_from_one_registry_with_their_sums() {
    let crates = crates();
    let sources: BTreeSet<&str> = crates.iter().filter_map(|one| one.source.as_deref()).collect();
    assert!(sources.len() == 1 && sources.iter().all(|source| source.starts_with("registry+")), "{sources:?}");
    let own: Vec<&str> = crates.iter().filter(|one| one.source.is_none()).map(|one| one.name.as_str()).collect();
    assert_eq!(own, [env!("CARGO_PKG_NAME")]);
    // On every target, whatever this machine is.
    let lock: toml::Table =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap().parse().unwrap();
    for package in lock["package"].as_array().unwrap() {
        let (name, source) = (package["name"].as_str().unwrap(), package.get("source").and_then(toml::Value::as_str));
        assert!(source.is_none_or(|source| sources.contains(source)), "{name}: {source:?}");
        assert_eq!(source.is_some(), package.get("checksum").is_some(), "{name}");
    }
}

#[test]
fn what_is_let_through_says_since_when_and_why() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/dependencies.md")).unwrap();
    let deny = deny();
    let advisories = deny["advisories"]["ignore"].as_array().unwrap().iter();
    let advisories = advisories.map(|one| one["id"].as_str().unwrap());
    let licences = deny["licenses"]["exceptions"].as_array().unwrap().iter();
    let licences = licences.map(|one| one["crate"].as_str().unwrap());
    for what in advisories.chain(licences) {
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with(&format!("| {what} |"))).collect();
        let [row] = rows[..] else { panic!("docs/dependencies.md has {} rows of {what}", rows.len()) };
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let day = cells.last().unwrap();
        assert!(cells.len() >= 4 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
        assert!(day.parse::<jiff::civil::Date>().is_ok(), "{what}: {day:?} is no day");
    }
}
