//! What opens something: addresses that are signed, names of mosaics, and tokens that others sign.
#![no_main]

#[path = "api/rooms.rs"]
mod rooms;

use arbitrary::Arbitrary;
use keys::checks::{self as tokens, Token};
use libfuzzer_sys::fuzz_target;
#[allow(unused_imports)]
use rooms::{assets, config, frame, keys, ladder, layout, market, mosaic, session, store, timeline, track, usage};
use session::checks::{self as addresses, Address};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Address(Address<'a>),
    Token(Token<'a>),
    /// What is presented as a key, and any text in the place of an address.
    Text(&'a str),
}

fuzz_target!(|input: Input<'_>| match input {
    Input::Address(address) => addresses::address(&address),
    Input::Token(token) => tokens::token(&token),
    Input::Text(text) => {
        addresses::text(text);
        tokens::text(text);
    }
});
