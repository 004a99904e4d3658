//! What a client does where memory for what is fetched is short.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::super::{Client, Outcome, Refused, Said, Shown, Sink, Stretch, Track};
use super::playing::{list, outcome, segment, setting_of, wishes};
use super::server::{Answer, Server};
use crate::feed::fetch::budget::{Bounds, Budget};
use crate::feed::fetch::{FetchCounts, Fetcher};
use crate::reach::Reach;

const LONG: Duration = Duration::from_secs(20);

/// Takes nothing until it is opened; then notes what was begun, and how many bytes came after it.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    came: Mutex<Vec<usize>>,
}

impl Sink for Gate {
    fn begin(&self, _: Track, _: Stretch) -> Result<(), Refused> {
        self.came.lock().push(0);
        Ok(())
    }

    fn data(&self, _: Track, bytes: bytes::Bytes) -> Result<(), Refused> {
        let mut open = self.open.lock();
        while !*open {
            self.opened.wait(&mut open);
        }
        *self.came.lock().last_mut().unwrap() += bytes.len();
        Ok(())
    }

    fn end(&self, _: Track) {}

    fn cue(&self, _: Said) {}
}

#[test]
fn a_game_that_holds_most_of_what_others_wait_for_is_cut_and_goes_on_with_a_fresh_demuxer() {
    let server = Server::start();
    let names: Vec<_> = (0..8).map(|n| format!("{n}.ts")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    server.text("/vod.m3u8", &list(&names, "#EXT-X-ENDLIST"));
    let null = [&[0x47, 0x1f, 0xff, 0x10][..], &[0xff; 184]].concat().repeat(500);
    for n in 0..8 {
        let body = [segment(900_000 + 2000 * n), null.clone()].concat();
        server.on(&format!("/{n}.ts"), [Answer::Body(body)]);
    }
    let whole = segment(900_000).len() + null.len();
    let most = 10 * whole;
    let budget = Budget::new(Bounds {
        game: most,
        small: 1000,
        smalls: most,
        share: 0,
        pool: most,
        kept: 0,
        heavy: most,
        patience: LONG,
        turn: Duration::ZERO,
    });
    let url = server.url("/vod.m3u8");
    let counts = Arc::new(FetchCounts::within(&budget));
    let fetcher = Arc::new(Fetcher::new(&url, &Reach::of_ones_own()).counting(Arc::clone(&counts)));
    let gate = Arc::new(Gate::default());
    let setting = setting_of(&fetcher, &url, &wishes(), Shown::default());
    let client = Client::start(fetcher, Arc::clone(&gate) as Arc<dyn Sink>, setting);
    let until = Instant::now() + LONG;
    // One is being handed over, three wait, and one waits to wait.
    while counts.held() < 5 * whole {
        assert!(Instant::now() < until, "{}", counts.held());
        std::thread::yield_now();
    }
    let other = budget.account();
    std::thread::scope(|scope| {
        let mut body = other.body();
        let waits = scope.spawn(move || body.grow(most / 2 + 1, &|| false).map(|()| body));
        while !budget.is_waited_for() {
            std::thread::yield_now();
        }
        *gate.open.lock() = true;
        gate.opened.notify_all();
        drop(waits.join().unwrap().unwrap());
    });
    assert_eq!(outcome(&client), Outcome::Ended);
    let came = gate.came.lock().clone();
    assert_eq!(came.len(), 2, "{came:?}");
    assert!(came[0] < whole && came[1] % whole == 0 && came[1] >= whole, "{came:?} of {whole}");
    assert!(client.problem().unwrap().contains("a segment was cut"), "{:?}", client.problem());
    assert_eq!(counts.held(), 0);
}
