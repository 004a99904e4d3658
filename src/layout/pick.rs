//! Which layout so many games are shown in.

use std::sync::Arc;

use super::{Layout, Layouts};

/// Why games have no layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// None is called so, or none is there for so many.
    Unknown,
    /// It has another number of slots.
    Slots { layout: String, slots: usize },
}

impl Layouts {
    /// The layout of so many games: the one called `id`, or where none is named the one that is there for them.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn pick(&self, id: Option<&str>, games: usize) -> Result<Arc<Layout>, Misfit> {
        let found = match id {
            Some(id) => self.get(id),
            None => self.default_for(games),
        };
        let layout = found.ok_or(Misfit::Unknown)?;
        match layout.slots.len() {
            slots if slots == games => Ok(layout),
            slots => Err(Misfit::Slots { layout: layout.id.clone(), slots }),
        }
    }

    /// The ids of those with a slot for each of so many games.
    pub fn fitting(&self, games: usize) -> Vec<String> {
        self.iter().filter(|layout| layout.slots.len() == games).map(|layout| layout.id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn games_get_a_layout_with_a_slot_for_each_or_none() {
        let layouts = Layouts::bundled();
        let pick = |id: Option<&str>, games| layouts.pick(id, games).map(|layout| layout.id.clone());
        assert_eq!((pick(None, 3), pick(Some("3PL"), 3)), (Ok("3EL".into()), Ok("3PL".into())));
        for (id, games) in [(None, 0), (None, 5), (Some("9X"), 2), (Some(""), 1), (Some("4e"), 4)] {
            assert_eq!(pick(id, games), Err(Misfit::Unknown), "{id:?}");
        }
        assert_eq!(pick(Some("4E"), 3), Err(Misfit::Slots { layout: "4E".into(), slots: 4 }));
        assert_eq!((layouts.fitting(3), layouts.fitting(5)), (vec!["3EL".to_owned(), "3PL".into()], vec![]));
    }
}
