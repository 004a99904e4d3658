//! Of the room `api`, what reads requests and says what is wrong with them. Handlers are left out.
#![allow(dead_code, unused_imports)]

#[path = "../../../src/api/bearer.rs"]
pub mod bearer;
pub mod body_checks;
#[path = "../../../src/api/etag.rs"]
pub mod etag;
#[path = "../../../src/api/extract.rs"]
pub mod extract;
#[path = "../../../src/api/ids.rs"]
pub mod ids;
#[path = "../../../src/api/instant.rs"]
pub mod instant;
#[path = "../../../src/api/limits.rs"]
pub mod limits;
#[path = "../../../src/api/problem.rs"]
pub mod problem;
pub mod query_checks;
#[path = "../../../src/api/range.rs"]
pub mod range;
pub mod refusals;
#[path = "../../../src/api/trace.rs"]
pub mod trace;
#[path = "../../../src/api/words.rs"]
pub mod words;

#[path = "../../../src/api/multiview"]
pub mod multiview {
    pub mod wish;
}
#[path = "../../../src/api/playback"]
pub mod playback {
    pub mod asked;
}
#[path = "../../../src/api/sessions"]
pub mod sessions {
    pub mod body;

    pub use body::EngineWish;
}
#[path = "../../../src/api/operator"]
pub mod operator {
    pub mod games {
        pub mod body;
    }
    pub mod keys {
        pub mod body;
    }
    pub mod markets {
        pub mod body;
    }
    pub mod sessions {
        pub mod filter;
    }
}
