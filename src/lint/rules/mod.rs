//! Every rule, in tables by topic.

pub mod http;
pub mod images;
pub mod live;
pub mod low_latency;
pub mod media;
pub mod multivariant;
pub mod segment;
pub mod text;

use super::rule::Rule;

/// Every rule, in the order of the documentation.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let tables =
        [text::ALL, media::ALL, low_latency::ALL, multivariant::ALL, images::ALL, live::ALL, segment::ALL, http::ALL];
    tables.into_iter().flatten().copied()
}
