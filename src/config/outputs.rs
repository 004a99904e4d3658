//! Sets of outputs that the configuration defines.

use super::Tenant;
use super::names::{NameError, check_id};
use super::reader::{Table, Value};
use crate::outputs::{Access, DEFAULT_LAYOUT, OutputSet};

/// Most games, skins and markets that a set names.
pub const MAX_OUTPUT_NAMES: usize = 1000;

/// Why a set of outputs is refused: the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputMistake {
    pub field: String,
    pub problem: String,
}

/// The one rule for sets of outputs, of the configuration and of the API. Whether there is such a layout is for those to say who know layouts.
///
/// # Errors
/// The first field that is not allowed.
pub fn check_outputs(set: &OutputSet) -> Result<(), OutputMistake> {
    let of = |field: &str, checked: Result<(), NameError>| {
        checked.map_err(|problem| OutputMistake { field: field.to_owned(), problem: problem.to_string() })
    };
    of("id", check_id(&set.id))?;
    of("layout", check_id(&set.layout))?;
    for (field, ids) in [("games", &set.games), ("skins", &set.skins), ("markets", &set.markets)] {
        let Some(ids) = ids.as_deref() else { continue };
        if ids.is_empty() {
            let problem = "there is nothing in it; at least one is needed, or leave it out for all".to_owned();
            return Err(OutputMistake { field: field.to_owned(), problem });
        }
        if ids.len() > MAX_OUTPUT_NAMES {
            let problem = format!("there are {} of them; up to {MAX_OUTPUT_NAMES} are allowed", ids.len());
            return Err(OutputMistake { field: field.to_owned(), problem });
        }
        for (n, id) in ids.iter().enumerate() {
            of(&format!("{field}[{n}]"), check_id(id))?;
        }
    }
    Ok(())
}

/// The sets, each with its tenant.
pub(super) fn read_all(root: &mut Table, tenants: &[Tenant]) -> Vec<(String, OutputSet)> {
    let mut sets: Vec<(String, OutputSet)> = Vec::new();
    for item in root.items("outputs", "write each as [[outputs]]") {
        let Some((tenant, set)) = read_one(&item, tenants) else { continue };
        if let Err(OutputMistake { field, problem }) = check_outputs(&set) {
            item.refuse(format!("`{field}`: {problem}"), "");
        } else if sets.iter().any(|(of, its)| *of == tenant && its.id == set.id) {
            item.refuse(format!("{tenant:?} has outputs {:?} already", set.id), "each id once is allowed");
        } else {
            sets.push((tenant, set));
        }
    }
    sets
}

fn read_one(item: &Value, tenants: &[Tenant]) -> Option<(String, OutputSet)> {
    let mut table = item.table()?;
    let known = tenants.iter().map(|t| format!("{:?}", t.id)).collect::<Vec<_>>().join(", ");
    let tenant = table.required("tenant", "the id of a tenant is needed").and_then(|value| {
        let id = value.text("the id of a tenant is allowed")?;
        if !tenants.iter().any(|tenant| tenant.id == id) {
            value.refuse(format!("there is no tenant {id:?}"), &format!("there are {known}"));
        }
        Some(id.to_owned())
    });
    let allowed = "a short name such as \"matches\" is needed";
    let id = table.required("id", allowed).and_then(|value| value.text(allowed).map(str::to_owned));
    let mut ids = |key, what: &str| {
        let list = table.optional(key)?;
        let id = |item: &Value| item.text(what).map(str::to_owned);
        Some(list.items("write [\"…\"], or leave it out for all").iter().filter_map(id).collect::<Vec<_>>())
    };
    let (games, skins) = (ids("games", "the id of a game is allowed"), ids("skins", "the id of a skin is allowed"));
    let markets = ids("markets", "the id of a market is allowed");
    let layout = table.optional("layout").and_then(|value| value.text("the id of a layout is allowed"));
    let access = table
        .optional("access")
        .and_then(|value| value.parsed("\"key\" (who has one of the tenant's) or \"public\" is allowed", str::parse));
    let layout = layout.unwrap_or(DEFAULT_LAYOUT).to_owned();
    let access: Access = access.unwrap_or_default();
    table.finish();
    Some((tenant?, OutputSet { id: id?, games, skins, markets, layout, access }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    const TEXT: &str = "[[tenants]]\nid = \"a\"\ndevice_keys = [\"k\"]\n[[outputs]]\ntenant = \"a\"\nid = \"m\"\n\
        games = [\"g\"]\nskins = [\"red\", \"blue\"]\nlayout = \"1L\"\naccess = \"public\"\n[[outputs]]\ntenant = \"a\"\nid = \"all\"\n";

    #[test]
    fn sets_of_outputs_are_read_and_their_mistakes_named() {
        let config = Config::parse(TEXT, Path::new("q.toml")).unwrap();
        let [(tenant, first), (_, second)] = &config.outputs[..] else { panic!("{:?}", config.outputs) };
        assert_eq!((tenant.as_str(), first.layout.as_str(), first.access), ("a", "1L", Access::Public));
        assert_eq!((first.games.as_deref(), &first.markets), (Some(&["g".to_owned()][..]), &None));
        let all = OutputSet { id: "all".into(), layout: DEFAULT_LAYOUT.into(), ..OutputSet::default() };
        assert_eq!(*second, all);
        for (change, says) in [
            (("tenant = \"a\"", "tenant = \"b\""), "there is no tenant \"b\""),
            (("access = \"public\"", "access = \"friends\""), "or \"public\" is allowed"),
            (("games = [\"g\"]", "games = []"), "`games`: there is nothing in it"),
            (("\"blue\"", "\"b/c\""), "`skins[1]`: \"b/c\" is no id"),
            (("id = \"m\"", "id = \"m/n\""), "`id`: \"m/n\" is no id"),
            (("id = \"m\"", "name = \"m\""), "key `outputs[0].id`: it is missing"),
            (("id = \"all\"", "id = \"m\""), "outputs \"m\" already"),
        ] {
            let wrong = TEXT.replacen(change.0, change.1, 1);
            let message = Config::parse(&wrong, Path::new("q.toml")).unwrap_err().to_string();
            assert!(message.contains(says), "{change:?}: {message}");
        }
    }
}
