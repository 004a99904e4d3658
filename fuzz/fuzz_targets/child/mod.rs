//! Of the room `feed`, the parent's end of a feed's process, from the pipe to the intake. In the place of threads and of the pipe back stand
//! `lanes` and `parent` of here, which do at once what those do.

#[path = "../../../src/feed/ahead.rs"]
pub mod ahead;
#[path = "../../../src/feed/as_came.rs"]
pub mod as_came;
#[path = "../../../src/feed/beside.rs"]
pub mod beside;
#[path = "../../../src/feed/catch_up.rs"]
pub mod catch_up;
#[path = "../../../src/feed/error.rs"]
pub mod error;
#[path = "../../../src/feed/facts.rs"]
pub mod facts;
#[path = "../../../src/feed/health.rs"]
pub mod health;
#[path = "../../../src/feed/intake.rs"]
pub mod intake;
#[path = "../../../src/feed/intake_aside.rs"]
pub mod intake_aside;
#[path = "../../../src/feed/room.rs"]
pub mod room;
#[path = "../../../src/feed/signals.rs"]
pub mod signals;
#[path = "../../../src/feed/starts.rs"]
pub mod starts;
#[path = "../../../src/feed/texts.rs"]
pub mod texts;
#[path = "../../../src/feed/wanted.rs"]
pub mod wanted;

#[path = "../../../src/feed/playlist"]
pub mod playlist {
    pub mod choice;
    pub mod cues;
    pub mod follower;
    pub mod master;
    pub mod media;
    pub mod ranges;
    pub mod stamp;
    pub mod stretches;
    pub mod text;

    pub use choice::VariantWish;
    pub use cues::Said;
}

#[path = "../../../src/feed/pipeline"]
pub mod pipeline {
    pub mod tables;

    /// What is opened in a child's pipeline.
    pub struct Doors;

    impl Doors {
        pub fn far(_: super::apart::doors::FarDoors) -> Self {
            Self
        }
    }

    pub enum Takes {
        Both,
        Picture,
        Sound,
    }
}

#[path = "../../../src/feed/apart"]
pub mod apart {
    #[path = "../../../fuzz/fuzz_targets/child/checks.rs"]
    pub mod checks;
    pub mod doors;
    #[path = "../../../fuzz/fuzz_targets/child/lanes.rs"]
    pub mod lanes;
    pub mod message;
    pub mod meter;
    #[path = "../../../fuzz/fuzz_targets/child/parent.rs"]
    pub mod parent;
    pub mod reader;
    pub mod shared;
    pub mod watched;

    pub use watched::ChildHealth;

    pub struct Apart;
}

pub mod on_hold {
    /// As in the room.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, thiserror::Error)]
    pub enum OnHold {
        #[error("pictures were late")]
        Late,
        #[error("another tenant has its share")]
        Share,
    }
}

pub mod fetch {
    #[derive(Debug, Default)]
    pub struct FetchCounts;
}

/// As in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedStatus {
    Live,
    Slate,
    Off,
}

/// As in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    Realtime,
    Lockstep,
}
