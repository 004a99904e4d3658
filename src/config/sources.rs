//! Where sources may lead, and what of them is decoded.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::reader::{Table, Value};
use crate::reach::{HostPattern, Rules, SCHEMES};

/// `[sources]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Whether the hosts and files that games of this file name are trusted, whatever the rules say.
    pub trust_configuration: bool,
    /// Of every tenant that has none of its own, and of this file's games where they are not trusted.
    pub rules: Rules,
    pub limits: PictureLimits,
}

impl Default for Sources {
    fn default() -> Self {
        Self { trust_configuration: true, rules: Rules::default(), limits: PictureLimits::default() }
    }
}

/// What of a source is decoded at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureLimits {
    /// Of a picture's longer side, in pixels.
    pub width: u32,
    /// Of its shorter side.
    pub height: u32,
    /// Pictures a second.
    pub fps: u32,
    /// Streams of a container or of a programme.
    pub streams: u32,
}

impl Default for PictureLimits {
    fn default() -> Self {
        Self { width: 4096, height: 2304, fps: 120, streams: 64 }
    }
}

impl PictureLimits {
    /// Whether a picture of this size is decoded.
    pub fn allow(&self, width: u32, height: u32) -> bool {
        width.max(height) <= self.width && width.min(height) <= self.height
    }
}

pub(super) fn read(root: &mut Table) -> Sources {
    let mut sources = Sources::default();
    let Some(mut table) = root.table("sources") else { return sources };
    if let Some(trust) = table.optional("trust_configuration").and_then(|v| v.boolean()) {
        sources.trust_configuration = trust;
    }
    read_rules(&mut table, &mut sources.rules);
    let limits = &mut sources.limits;
    let mut read = |key, range, unit, to: &mut u32| {
        if let Some(number) = table.optional(key).and_then(|v| v.whole(range, unit)) {
            *to = number;
        }
    };
    read("max_width", 64..=16_384, "pixels", &mut limits.width);
    read("max_height", 64..=16_384, "pixels", &mut limits.height);
    read("max_fps", 1..=1000, "pictures a second", &mut limits.fps);
    read("max_streams", 1..=1024, "streams", &mut limits.streams);
    table.finish();
    sources
}

/// A tenant's own rules: what it does not say is as for all.
pub(super) fn read_own(tenant: &mut Table, all: &Rules) -> Rules {
    let mut rules = all.clone();
    if let Some(mut table) = tenant.table("sources") {
        read_rules(&mut table, &mut rules);
        table.finish();
    }
    rules
}

fn read_rules(table: &mut Table, rules: &mut Rules) {
    let schemes = format!("{} are allowed", SCHEMES.join(", "));
    let scheme = |text: &str| {
        SCHEMES.into_iter().find(|scheme| *scheme == text).ok_or_else(|| format!("the scheme {text:?} is not known"))
    };
    list(table, "schemes", |item| item.parsed(&schemes, scheme), &mut rules.schemes);
    let host =
        |item: &Value| item.parsed("a name, an address, or \"*.\" and a name is allowed", str::parse::<HostPattern>);
    list(table, "hosts", host, &mut rules.hosts);
    let network = "a network is allowed, as in \"10.0.0.0/8\" or \"fd00::/8\"";
    list(table, "networks", |item| item.parsed(network, str::parse), &mut rules.networks);
    list(table, "ports", |item| item.parsed("a port is allowed, or two as in \"8000-8999\"", ports), &mut rules.ports);
    let folder = "the whole path of a folder is allowed";
    list(table, "media_dirs", |item| item.parsed(folder, absolute), &mut rules.media_dirs);
}

/// Takes the place of what was there, where the key is.
fn list<T>(table: &mut Table, key: &'static str, read: impl Fn(&Value) -> Option<T>, to: &mut Vec<T>) {
    if let Some(value) = table.optional(key) {
        *to = value.items("write [\"…\"]").iter().filter_map(read).collect();
    }
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.trim().parse::<u16>(), to.trim().parse::<u16>()) {
        (Ok(from @ 1..), Ok(to)) if from <= to => Ok(from..=to),
        _ => Err(format!("{text:?} is no port")),
    }
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() && !text.contains('\0') { Ok(path) } else { Err(format!("{text:?} is no whole path")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_judged_by_its_longer_and_its_shorter_side() {
        let limits = PictureLimits::default();
        assert!(limits.allow(3840, 2160) && limits.allow(2160, 3840) && limits.allow(4096, 2304));
        assert!(!limits.allow(4098, 2160) && !limits.allow(2306, 2306) && !limits.allow(16_000, 16));
    }

    #[test]
    fn ports_are_one_or_a_range() {
        assert_eq!((ports("443"), ports("8000-8999")), (Ok(443..=443), Ok(8000..=8999)));
        assert!(["0", "9-8", "x", "70000", "-1"].into_iter().all(|text| ports(text).is_err()));
    }
}
