//! Games that hold as much as they can, beside those that do not.

use super::*;

const NEVER: &dyn Fn() -> bool = &|| false;

/// By units instead of MiB, and nobody waits for long.
fn bounds() -> Bounds {
    Bounds {
        game: 64,
        small: 1,
        smalls: 4,
        share: 18,
        pool: 256,
        kept: 64,
        heavy: 24,
        patience: Duration::from_millis(10),
        turn: Duration::from_secs(4),
    }
}

/// Of all games together.
fn held(accounts: &[Arc<Account>]) -> usize {
    accounts.iter().map(|account| account.held()).sum()
}

#[test]
fn a_game_holds_no_more_than_its_bound_in_all_its_bodies() {
    let account = Budget::new(bounds()).account();
    let mut bodies: Vec<_> = (0..13).map(|_| account.body()).collect();
    let refused: Vec<_> = bodies.iter_mut().filter_map(|body| body.grow(62, NEVER).err()).collect();
    assert_eq!((account.held(), refused.len(), refused[0]), (62, 12, Full::Game(64)));
    // Small ones have a little beside it, and no more.
    let mut small: Vec<_> = (0..20).map(|_| account.body()).collect();
    assert_eq!(small.iter_mut().filter_map(|body| body.grow(1, NEVER).ok()).count(), 6);
    assert_eq!(account.held(), 68);
    drop((bodies, small));
    assert_eq!(account.held(), 0);
    assert_eq!(account.body().grow(64, NEVER), Ok(()));
}

#[test]
fn games_together_hold_their_shares_and_the_pool_and_a_share_is_there_whatever_others_hold() {
    let budget = Budget::new(bounds());
    let hostile: Vec<_> = (0..40).map(|_| budget.account()).collect();
    let mut bodies: Vec<_> = hostile.iter().map(|account| account.body()).collect();
    for body in &mut bodies {
        while body.grow(2, &|| true).is_ok() {}
    }
    assert_eq!(held(&hostile), 40 * 18 + 256);
    let ordinary = budget.account();
    let (mut handed_over, mut next) = (ordinary.body(), ordinary.body());
    let begun = Instant::now();
    assert_eq!((handed_over.grow(9, NEVER), next.grow(9, NEVER)), (Ok(()), Ok(())));
    assert!(begun.elapsed() < bounds().patience, "nobody was waited for");
    let full = Full::Machine { share: 18, pool: 256 };
    assert_eq!(next.grow(1, NEVER), Err(full), "and it keeps what it has");
    assert_eq!(ordinary.held(), 18);
    // A body that was refused is the one that goes; what the others had of the pool is free for any.
    drop(bodies);
    assert_eq!((held(&hostile), next.grow(38, NEVER)), (0, Ok(())));
}

#[test]
fn who_waits_is_let_in_when_something_is_given_back_and_who_has_had_least_comes_first() {
    let budget = Budget::new(Bounds { pool: 46, kept: 0, patience: Duration::from_secs(20), ..bounds() });
    let (first, second) = (budget.account(), budget.account());
    let mut hostile = first.body();
    assert_eq!(hostile.grow(64, NEVER), Ok(()));
    // It had the pool for long, and wants it again.
    budget.state.lock().tallies.get_mut(&first.number).unwrap().average = 46.0;
    std::thread::scope(|scope| {
        let waits = |count: usize| {
            while budget.state.lock().waiting.len() < count {
                std::thread::yield_now();
            }
        };
        let mut next = second.body();
        let other = scope.spawn(move || next.grow(64, NEVER).map(|()| next));
        waits(1);
        drop(hostile);
        let held = other.join().unwrap().unwrap();
        let mut again = first.body();
        let again = scope.spawn(move || again.grow(64, NEVER).map(|()| again));
        waits(1);
        drop(held);
        assert_eq!(again.join().unwrap().unwrap().bytes, 64);
    });
    assert!(budget.state.lock().waiting.is_empty());
    assert_eq!(budget.state.lock().free, 46);
}

#[test]
fn where_several_wait_the_one_that_has_had_more_of_the_pool_is_not_let_in_before_the_other() {
    let budget = Budget::new(bounds());
    let (much, little) = (budget.account(), budget.account());
    let now = Instant::now();
    let mut state = budget.state.lock();
    state.tallies.get_mut(&much.number).unwrap().average = 20.0;
    let full = Err(Full::Machine { share: 18, pool: 256 });
    state.waiting.extend([much.number, little.number]);
    assert_eq!(budget.change(&mut state, much.number, 0, 64, now), full);
    assert_eq!(budget.change(&mut state, little.number, 0, 64, now), Ok(()));
    state.wait_or_not(little.number, false);
    assert_eq!(budget.change(&mut state, much.number, 0, 64, now), Ok(()));
    // Who has had much is not given the last of it.
    let heavy = Budget::new(Bounds { pool: 100, ..bounds() });
    let (often, seldom) = (heavy.account(), heavy.account());
    let mut state = heavy.state.lock();
    state.tallies.get_mut(&often.number).unwrap().average = 30.0;
    assert_eq!(heavy.change(&mut state, often.number, 0, 18 + 37, now), Err(Full::Machine { share: 18, pool: 100 }));
    assert_eq!(heavy.change(&mut state, often.number, 0, 18 + 36, now), Ok(()));
    assert_eq!(heavy.change(&mut state, seldom.number, 0, 64, now), Ok(()));
}

#[test]
fn who_has_had_most_of_the_pool_for_its_turn_gives_way_to_who_waits() {
    let budget = Budget::new(bounds());
    let (hostile, lesser, other) = (budget.account(), budget.account(), budget.account());
    let (mut most, mut less) = (hostile.body(), lesser.body());
    assert_eq!((most.grow(64, NEVER), less.grow(30, NEVER)), (Ok(()), Ok(())));
    let at = |s: u64| Instant::now() + Duration::from_secs(s);
    let gives_way = |account: &Account, at: Instant| budget.gives_way(&budget.state.lock(), account.number, at);
    assert!(!gives_way(&hostile, at(5)), "nobody waits");
    budget.state.lock().wait_or_not(hostile.number, true);
    assert!(!gives_way(&hostile, at(5)), "nobody else waits");
    budget.state.lock().wait_or_not(other.number, true);
    assert!(!gives_way(&hostile, at(3)), "its turn");
    assert!(gives_way(&hostile, at(5)));
    assert!(!gives_way(&lesser, at(5)), "another has more");
    assert!(!gives_way(&other, at(5)), "it has nothing");
}

#[test]
fn who_took_of_the_pool_for_nothing_comes_after_who_made_something_of_it() {
    let budget = Budget::new(Bounds { turn: Duration::ZERO, ..bounds() });
    let hostile: Vec<_> = (0..40).map(|_| budget.account()).collect();
    for account in &hostile {
        let mut body = account.body();
        assert_eq!(body.grow(64, NEVER), Ok(()));
        body.came_to_nothing();
    }
    // Within its share nobody is marked.
    let (ordinary, large) = (budget.account(), budget.account());
    let mut body = ordinary.body();
    body.grow(18, NEVER).unwrap();
    body.came_to_nothing();
    budget.state.lock().tallies.get_mut(&large.number).unwrap().average = 23.0;
    let mut bodies: Vec<_> = hostile.iter().map(|account| account.body()).collect();
    for body in &mut bodies {
        while body.grow(2, &|| true).is_ok() {}
    }
    // What is kept is there for who has had more, but for something.
    assert_eq!(held(&hostile), 40 * 18 + 256 - 64);
    let (mut first, mut next) = (large.body(), large.body());
    assert_eq!((first.grow(32, NEVER), next.grow(32, NEVER)), (Ok(()), Ok(())));
    // Who waits and is not marked makes one that is give way.
    budget.state.lock().wait_or_not(ordinary.number, true);
    let soon = Instant::now() + Duration::from_secs(1);
    let state = budget.state.lock();
    assert_eq!(hostile.iter().filter(|account| budget.gives_way(&state, account.number, soon)).count().min(1), 1);
    assert!(!budget.gives_way(&state, large.number, soon));
}

#[test]
fn who_is_stopped_waits_no_more_and_room_is_waited_for_before_a_segment_is_asked_for() {
    let budget = Budget::new(Bounds { patience: Duration::from_secs(600), ..bounds() });
    let account = budget.account();
    let mut body = account.body();
    assert_eq!(body.grow(65, &|| true), Err(Full::Stopped));
    assert_eq!(body.grow(40, NEVER), Ok(()));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| account.await_room(40, Duration::from_secs(600), NEVER));
        account.await_room(28, Duration::from_secs(600), NEVER);
        account.await_room(40, Duration::from_millis(1), NEVER);
        account.await_room(40, Duration::from_secs(600), &|| true);
        assert!(!waiter.is_finished());
        drop(body);
    });
    // It may be larger than there is room for: that is found out.
    account.await_room(100, Duration::from_secs(600), NEVER);
}

#[test]
fn a_small_machine_has_a_smaller_pool() {
    let gib = |n: u64| Bounds::with_memory(n << 30);
    assert_eq!([1, 2, 4, 64].map(|n| gib(n).pool / MIB), [64, 128, 256, 256]);
    assert_eq!((gib(2).kept, gib(64).kept), (32 * MIB, 64 * MIB));
}

#[test]
fn what_is_refused_names_its_bound() {
    assert!(Full::Game(64 * MIB).to_string().ends_with("than the 64 MiB that are held of one"));
    let full = Full::Machine { share: 18 * MIB, pool: 256 * MIB }.to_string();
    assert!(full.contains("18 MiB each") && full.contains("256 MiB that this machine"), "{full}");
}
