//! Whether there is what a configuration names: layouts, and files of art. `quadrille check` asks what a service asks when it starts.

use std::collections::BTreeSet;

use super::StartError;
use crate::config::{Config, SkinFiles};
use crate::layout::{Layout, Layouts, LayoutsError};

/// All that a configuration names and that is not there, or is not what it has to be.
pub fn misfits(config: &Config) -> Vec<StartError> {
    match layouts(config) {
        Ok(layouts) => misfits_of(config, &layouts),
        Err(error) => vec![error.into()],
    }
}

/// What is allowed, and is hardly meant: prices of renditions that there are none of. What they were to price costs what comes after them.
pub fn remarks(config: &Config) -> BTreeSet<String> {
    let known: Vec<&str> = config.output.renditions.iter().map(|rendition| rendition.name.as_str()).collect();
    let remark = |tier: &String| {
        let known = known.join(", ");
        format!(
            "the newest tariff has a price for the tier {tier:?}, and no rendition is called that; these are: {known}"
        )
    };
    let lists = config.tenants.iter().map(|tenant| config.prices.of(&tenant.id));
    // Older ones may name what there was.
    let newest = lists.filter_map(|list| list.tariffs().last().cloned());
    let tiers = newest.flat_map(|tariff| tariff.prices.into_iter().filter_map(|price| price.tier));
    tiers.filter(|tier| !known.contains(&tier.as_str())).map(|tier| remark(&tier)).collect()
}

/// The layouts of a configuration.
pub(super) fn layouts(config: &Config) -> Result<Layouts, LayoutsError> {
    config.layouts_dir.as_ref().map_or_else(|| Ok(Layouts::bundled()), |dir| Layouts::load(dir))
}

/// The same, of these layouts.
pub(super) fn misfits_of(config: &Config, layouts: &Layouts) -> Vec<StartError> {
    let known = |fits: fn(&Layout) -> bool| {
        let ids: Vec<&str> = layouts.iter().filter(|layout| fits(layout)).map(|layout| layout.id.as_str()).collect();
        ids.join(", ")
    };
    let is = |id: &str, fits: fn(&Layout) -> bool| layouts.get(id).is_some_and(|layout| fits(&layout));
    let mut wrong = Vec::new();
    for id in config.start_over.iter().flat_map(|start_over| &start_over.layouts) {
        if !is(id, |_| true) {
            wrong.push(StartError::StartOverLayout(id.clone(), known(|_| true)));
        }
    }
    // Those that operators made were checked when they came.
    for (_, market) in &config.markets {
        if let Some(layout) = market.breaks.layout.as_ref().filter(|id| !is(id, Layout::is_for_breaks)) {
            let (id, layout) = (market.id.clone(), layout.clone());
            wrong.push(StartError::MarketLayout { id, layout, allowed: known(Layout::is_for_breaks) });
        }
    }
    let is_single = |layout: &Layout| layout.slots.len() == 1;
    for (_, set) in &config.outputs {
        if !is(&set.layout, is_single) {
            let (id, layout) = (set.id.clone(), set.layout.clone());
            wrong.push(StartError::OutputLayout { id, layout, allowed: known(is_single) });
        }
    }
    let (names, most) = (layouts.art_names(), config.art.file_bytes);
    for SkinFiles { id, tenant, art } in &config.skins {
        for (name, path) in art {
            let problem = if !names.contains(name) {
                format!("no layout has a slot of art {name:?}; the names are {}", names.join(", "))
            } else {
                match std::fs::metadata(path) {
                    Err(error) => format!("{}: {error}", path.display()),
                    Ok(file) if !file.is_file() => format!("{}: it is no file", path.display()),
                    Ok(file) if file.len() > most => {
                        format!("{}: it has {} bytes; {most} are allowed at most", path.display(), file.len())
                    }
                    Ok(_) => continue,
                }
            };
            wrong.push(StartError::Skin { tenant: tenant.clone(), skin: id.clone(), problem });
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(more: &str) -> Config {
        let text = format!(
            "listen = \"127.0.0.1:0\"\n[[tenants]]\nid = \"acme\"\noperator_keys = [\"key\"]\n[[games]]\nid = \"a\"\n\
             title = \"A\"\nsources = [\"test://ball\"]\n[output]\nfps = \"30\"\nsegment_frames = 60\n[[output.renditions]]\n\
             name = \"360p\"\nwidth = 640\nheight = 360\nbitrate = 800_000\n{more}\n"
        );
        Config::parse(&text, Path::new("test.toml")).map_err(|e| e.to_string()).unwrap()
    }

    fn said(more: &str) -> Vec<String> {
        misfits(&config(more)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn prices_that_price_nothing_are_remarked_on() {
        let tariffs = "[[tariffs]]\ncurrency = \"EUR\"\n[[tariffs.prices]]\ntier = \"720p\"\nper_minute = \"0.01\"\n[[tariffs.prices]]\n\
            per_minute = \"0.02\"\n[[tariffs]]\nvalid_from = \"2026-11-01\"\ncurrency = \"EUR\"\n[[tariffs.prices]]\ntier = \"360p\"\n\
            per_minute = \"0.01\"\n[[tariffs.prices]]\ntier = \"1080p\"\nper_minute = \"0.03\"\n[[tariffs.prices]]\nper_minute = \"0.02\"\n";
        let remarks = remarks(&config(tariffs));
        assert_eq!(remarks.len(), 1, "{remarks:?}");
        assert!(
            remarks.iter().all(|said| said.contains("\"1080p\"") && said.ends_with("these are: 360p")),
            "{remarks:?}"
        );
    }

    #[test]
    fn all_that_is_not_there_is_named_at_once_with_what_is() {
        assert_eq!(said(""), Vec::<String>::new());
        let folder = tempfile::tempdir().unwrap();
        let (there, large) = (folder.path().join("there.png"), folder.path().join("large.png"));
        std::fs::write(&there, b"a picture, perhaps").unwrap();
        std::fs::File::create(&large).unwrap().set_len(200 << 20).unwrap();
        let market = |id: &str, layout: &str| {
            format!(
                "[[markets]]\ntenant = \"acme\"\nid = {id:?}\ntitle = \"M\"\n[markets.breaks]\npolicy = \"squeeze_back\"\nlayout = {layout:?}\n"
            )
        };
        let skin = |id: &str, frame: &Path| {
            format!(
                "[[skins]]\ntenant = \"acme\"\nid = {id:?}\nart = {{ frame = {:?} }}\n",
                frame.display().to_string()
            )
        };
        let wrong = said(
            &[
                market("right", "1L"),
                market("four", "4ES"),
                market("none", "zzz"),
                market("bare", "1"),
                skin("right", &there),
                skin("gone", &folder.path().join("gone.png")),
                skin("folder", folder.path()),
                skin("large", &large),
                format!(
                    "[[skins]]\ntenant = \"acme\"\nid = \"odd\"\nart = {{ no_such_slot = {:?} }}\n",
                    there.display().to_string()
                ),
            ]
            .concat(),
        );
        let expected = [
            ("\"four\"", "these are: 1F, 1L, 1B"),
            ("\"none\"", "these are: 1F, 1L, 1B"),
            ("\"bare\"", "these are: 1F, 1L, 1B"),
            ("\"gone\"", "No such file"),
            ("\"folder\"", "it is no file"),
            ("\"large\"", "are allowed at most"),
            ("\"odd\"", "the names are"),
        ];
        assert_eq!(wrong.len(), expected.len(), "{wrong:?}");
        for (said, (id, why)) in wrong.iter().zip(expected) {
            assert!(said.contains(id) && said.contains(why), "{said}");
        }
    }
}
