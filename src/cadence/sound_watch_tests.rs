use super::*;
use crate::timeline::MediaTime;

const SECOND: i64 = 1_000_000_000;
const START: i64 = 91_000_000 * SECOND;
const TICK: i64 = SECOND / 30;

/// A feed of which a picture is shown and a tick of sound read at every tick, `late` ns apart.
struct Rig {
    watch: SoundWatch,
    tick: i64,
    news: Vec<SoundNews>,
}

impl Rig {
    fn new() -> Self {
        Self { watch: SoundWatch::new(), tick: 0, news: Vec::new() }
    }

    fn ticks(&mut self, count: i64, picture: bool, sound_late: Option<i64>) {
        for _ in 0..count {
            let now = self.tick * TICK;
            let at = |nanos: i64| MediaTime::from_nanos((START + nanos) as u64);
            if picture {
                // The grid rounds a picture's time, by up to half a tick either way.
                self.watch.shown(at(now), 7 * SECOND + now + (self.tick % 5 - 2) * TICK / 5);
            }
            if sound_late.is_some() {
                self.watch.arrived(1600);
            }
            let stamp = sound_late.map(|late| 7 * SECOND + now + TICK - late);
            self.news.extend(self.watch.read(at(now + TICK), stamp));
            self.tick += 1;
        }
    }
}

#[test]
fn sound_in_place_is_no_trouble_and_measures_nothing_off() {
    let mut rig = Rig::new();
    assert_eq!(rig.watch.offset_ms(), None);
    rig.ticks(300, true, Some(0));
    assert!(rig.watch.offset_ms().unwrap().abs() < 1.0, "{:?}", rig.watch.offset_ms());
    assert_eq!((rig.watch.trouble(), rig.news.len()), (None, 0));
}

#[test]
fn sound_off_its_picture_is_told_once_with_how_much_and_when_it_is_over() {
    for late in [150, -150] {
        let mut rig = Rig::new();
        rig.ticks(300, true, Some(0));
        rig.ticks(300, true, Some(late * 1_000_000));
        assert!((rig.watch.offset_ms().unwrap() - late as f64).abs() < 1.0);
        let trouble = SoundTrouble::OffPicture { ms: late };
        assert_eq!(rig.watch.trouble(), Some(trouble));
        assert_eq!(trouble.to_string(), format!("sound is {late} ms off the picture"));
        rig.ticks(300, true, Some(0));
        // When it was told, the median was still on its way.
        let [SoundNews::Trouble(SoundTrouble::OffPicture { ms }), SoundNews::Well] = rig.news[..] else {
            panic!("{:?}", rig.news)
        };
        assert!((ms - late).abs() < 30, "{ms} ms");
        // A splice, over which they belong to different stretches for a second, is no trouble.
        rig.ticks(30, true, Some(3600 * SECOND));
        rig.ticks(300, true, Some(0));
        assert_eq!(rig.news.len(), 2);
        assert_eq!(rig.watch.losses(), 0);
    }
}

#[test]
fn sound_that_stopped_while_pictures_go_on_is_lost_and_counted_once() {
    let mut rig = Rig::new();
    // A source without sound has lost none.
    rig.ticks(300, true, None);
    assert_eq!((rig.watch.trouble(), rig.watch.offset_ms()), (None, None));
    rig.ticks(60, true, Some(0));
    rig.ticks(80, true, None);
    assert_eq!((rig.watch.trouble(), rig.watch.losses()), (None, 0));
    rig.ticks(300, true, None);
    assert_eq!(rig.watch.trouble(), Some(SoundTrouble::Silent { seconds: 12 }));
    assert_eq!(rig.watch.trouble().unwrap().to_string(), "no sound for 12 s");
    assert_eq!((rig.watch.losses(), rig.watch.offset_ms()), (1, None));
    rig.ticks(30, true, Some(0));
    assert_eq!(rig.watch.trouble(), None);
    assert!(matches!(rig.news[..], [SoundNews::Trouble(SoundTrouble::Silent { seconds: 3 }), SoundNews::Well]));
    // Nothing to see and nothing to hear is the feed's trouble.
    rig.ticks(300, false, None);
    assert_eq!((rig.watch.trouble(), rig.watch.losses()), (None, 1));
    rig.watch.restart();
    rig.ticks(300, true, None);
    assert_eq!((rig.watch.trouble(), rig.watch.losses()), (None, 1));
}

#[test]
fn sound_that_arrives_and_is_not_heard_is_hopeless_unless_it_lies_ahead() {
    let mut rig = Rig::new();
    rig.ticks(60, true, Some(0));
    for _ in 0..150 {
        rig.ticks(1, true, None);
        rig.watch.arrived(1600);
        assert!(!rig.watch.is_hopeless(true));
    }
    assert!(rig.watch.is_hopeless(false));
    // It is asked for once, and again when as much has come in vain.
    assert!(!rig.watch.is_hopeless(false));
    rig.ticks(30, true, None);
    rig.watch.arrived(96_000);
    assert!(rig.watch.is_hopeless(false));
    rig.ticks(10, true, Some(0));
    assert!(!rig.watch.is_hopeless(false));
}
