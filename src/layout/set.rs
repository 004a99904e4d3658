//! The layouts of a deployment: those that come with the program, and a folder of one's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Layout;
use super::file::{LayoutError, LayoutProblem};

/// The files of `layouts/`, in the order in which people are shown them.
const BUNDLED: [(&str, &str); 12] = [
    ("1", include_str!("../../layouts/1.toml")),
    ("2EH", include_str!("../../layouts/2EH.toml")),
    ("2PL", include_str!("../../layouts/2PL.toml")),
    ("3EL", include_str!("../../layouts/3EL.toml")),
    ("3PL", include_str!("../../layouts/3PL.toml")),
    ("4E", include_str!("../../layouts/4E.toml")),
    ("4PL", include_str!("../../layouts/4PL.toml")),
    ("pip", include_str!("../../layouts/pip.toml")),
    ("1F", include_str!("../../layouts/1F.toml")),
    ("1L", include_str!("../../layouts/1L.toml")),
    ("1B", include_str!("../../layouts/1B.toml")),
    ("4ES", include_str!("../../layouts/4ES.toml")),
];

/// Most layouts of a deployment, and the most bytes of a layout file: what a folder may ask this process to keep.
const MAX_LAYOUTS: usize = 256;
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Everything that is wrong with a folder of layouts.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct LayoutsError(pub Vec<LayoutError>);

/// The layouts of a deployment, by id. Immutable once made; layouts are shared, not copied.
#[derive(Clone, Debug)]
pub struct Layouts {
    by_id: BTreeMap<String, Arc<Layout>>,
}

impl Layouts {
    /// The layouts that come with the program: `1`, the two, three and four game layouts, `pip`, and those with art.
    pub fn bundled() -> Self {
        let parsed = BUNDLED.iter().map(|(id, text)| match Layout::parse(text, id) {
            Ok(layout) => ((*id).to_owned(), Arc::new(layout)),
            // Compiled in and covered by a test: a mistake here is one in the program.
            Err(problem) => unreachable!("bundled layout {id}: {problem}"),
        });
        Self { by_id: parsed.collect() }
    }

    /// The bundled layouts and those of `folder`: every `*.toml` in it, one layout a file, named `<id>.toml`. A file whose
    /// id is that of a bundled layout takes its place.
    ///
    /// # Errors
    /// Names every file that is wrong, the slot or key in it, and what is allowed.
    pub fn load(folder: &Path) -> Result<Self, LayoutsError> {
        let mut layouts = Self::bundled();
        let mut errors = Vec::new();
        let mut files = toml_files(folder).map_err(|problem| LayoutsError(vec![problem]))?;
        files.sort();
        for path in files {
            match load_one(&path) {
                Ok(layout) if layouts.by_id.len() < MAX_LAYOUTS || layouts.by_id.contains_key(&layout.id) => {
                    layouts.by_id.insert(layout.id.clone(), Arc::new(layout));
                }
                Ok(_) => errors.push(unreadable(&path, format!("there are more than {MAX_LAYOUTS} layouts"))),
                Err(problem) => errors.push(LayoutError { file: path, problem }),
            }
        }
        if errors.is_empty() { Ok(layouts) } else { Err(LayoutsError(errors)) }
    }

    pub fn get(&self, id: &str) -> Option<Arc<Layout>> {
        self.by_id.get(id).cloned()
    }

    /// All layouts: the bundled ones in their own order, then the others by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Layout>> {
        let bundled = BUNDLED.iter().filter_map(|(id, _)| self.by_id.get(*id));
        let own = self.by_id.iter().filter(|(id, _)| BUNDLED.iter().all(|(b, _)| b != id)).map(|(_, layout)| layout);
        bundled.chain(own)
    }

    /// The names of all slots of art, each once, in order.
    pub fn art_names(&self) -> Vec<String> {
        let names: BTreeSet<&str> = self.by_id.values().flat_map(|layout| layout.art_names()).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The layout of a session that names none: 1 game `1`, 2 `2EH`, 3 `3EL`, 4 `4E`.
    pub fn default_for(&self, games: usize) -> Option<Arc<Layout>> {
        let id = match games {
            1 => "1",
            2 => "2EH",
            3 => "3EL",
            4 => "4E",
            _ => return None,
        };
        self.get(id)
    }
}

fn unreadable(path: &Path, why: String) -> LayoutError {
    LayoutError { file: path.to_owned(), problem: LayoutProblem::Unreadable(why) }
}

fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, LayoutError> {
    let entries = fs::read_dir(folder).map_err(|e| unreadable(folder, e.to_string()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| unreadable(folder, e.to_string()))?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    Ok(files)
}

fn load_one(path: &Path) -> Result<Layout, LayoutProblem> {
    let bytes = fs::metadata(path).map_err(|e| LayoutProblem::Unreadable(e.to_string()))?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(LayoutProblem::Unreadable(format!("it has {bytes} bytes; at most {MAX_FILE_BYTES} are allowed")));
    }
    let text = fs::read_to_string(path).map_err(|e| LayoutProblem::Unreadable(e.to_string()))?;
    Layout::parse(&text, &path.file_stem().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: &str = r#"
id = "wide"
name = "Wide"
canvas = { width = 1280, height = 720 }
[[slots]]
x = 0
y = 120
width = 1280
height = 480
"#;

    #[test]
    fn bundled_layouts_come_in_order_on_one_canvas() {
        let layouts = Layouts::bundled();
        let ids: Vec<_> = layouts.iter().map(|l| l.id.as_str()).collect();
        assert_eq!(ids, ["1", "2EH", "2PL", "3EL", "3PL", "4E", "4PL", "pip", "1F", "1L", "1B", "4ES"]);
        let counts: Vec<_> = layouts.iter().map(|l| l.slots.len()).collect();
        assert_eq!(counts, [1, 2, 2, 3, 3, 4, 4, 2, 1, 1, 1, 4]);
        assert!(layouts.iter().all(|l| l.canvas == (1920, 1080) && l.overlap == (l.id == "pip")));
        // No picture of a 16:9 game needs bars in a bundled layout.
        assert!(layouts.iter().flat_map(|l| &l.slots).all(|s| s.width * 9 == s.height * 16));
    }

    #[test]
    fn the_default_has_as_many_slots_as_games() {
        let layouts = Layouts::bundled();
        for games in 1..=4 {
            assert_eq!(layouts.default_for(games).unwrap().slots.len(), games);
        }
        assert!(layouts.default_for(0).is_none() && layouts.default_for(5).is_none());
    }

    #[test]
    fn a_folder_adds_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("wide.toml"), WIDE).unwrap();
        fs::write(folder.path().join("1.toml"), WIDE.replace("\"wide\"", "\"1\"")).unwrap();
        fs::write(folder.path().join("notes.txt"), "not a layout").unwrap();
        let layouts = Layouts::load(folder.path()).unwrap();
        assert_eq!(layouts.len(), 13);
        assert_eq!(layouts.get("1").unwrap().name, "Wide");
        assert_eq!(layouts.iter().last().unwrap().id, "wide");
        assert_eq!(layouts.get("wide").unwrap().background, [0, 0, 0]);
    }

    #[test]
    fn every_wrong_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("wide.toml"), WIDE.replace("height = 480", "height = 700")).unwrap();
        fs::write(folder.path().join("worse.toml"), "id = ").unwrap();
        let message = Layouts::load(folder.path()).unwrap_err().to_string();
        assert!(message.contains("wide.toml: slot 0") && message.contains("worse.toml: line 1"), "{message}");
        let gone = Layouts::load(&folder.path().join("gone")).unwrap_err().to_string();
        assert!(gone.contains("gone: cannot be read"), "{gone}");
    }
}
