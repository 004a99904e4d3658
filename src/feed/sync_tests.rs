//! Lips and voice, and how loud the voice is, over what sources do to them: pauses of one stream or of both, jumps, channel
//! layouts that nobody named.

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use super::intake::{Intake, Timing};
use super::tests::{Bench, CLIP, Clip, flashes_and_beeps, grid, loudness, middle, url_of};
use super::*;
use crate::cadence::{Continuity, Step, Stream};
use crate::timeline::SystemClock;

const SECOND: i64 = 1_000_000_000;
/// A beep of 60 ms at every full second; so is the flash, of two pictures.
const BEEPS: &str = "aevalsrc=if(lt(mod(t\\,1)\\,0.06)\\,0.5*sin(6283*t)\\,0):s=48000";
const FLASHES: fn(usize) -> u8 = |n| if n % 30 < 2 { 230 } else { 30 };
/// FFmpeg's numbers for the first picture and the first sound of a transport stream.
const PICTURE_PID: u16 = 0x100;
const SOUND_PID: u16 = 0x101;

/// Flashes and beeps for `seconds`, as a transport stream.
fn transport_stream(folder: &Path, name: &str, seconds: usize) -> Vec<u8> {
    let video = "-c:v libx264 -preset ultrafast -qp 12 -bf 0 -g 15 -pix_fmt yuv420p";
    let sound = (BEEPS, "-c:a mp2 -muxdelay 0.2");
    let clip = Clip { name, frames: seconds * 30, luma: FLASHES, video, sound, ..CLIP };
    std::fs::read(clip.make(folder)).unwrap()
}

/// Each packet of a transport stream with the time that the last clock reference before it says, in ns.
fn packets(stream: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let (mut now, mut first) = (0, None);
    let packets = stream.chunks_exact(188).map(|packet| {
        if let Some(base) = clock_reference(packet) {
            now = (base - *first.get_or_insert(base)) * 100_000 / 9;
        }
        (now, packet.to_vec())
    });
    packets.collect()
}

fn pid(packet: &[u8]) -> u16 {
    u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2])
}

/// The base of a packet's PCR, at 90 kHz (ISO/IEC 13818-1, 2.4.3.5).
fn clock_reference(packet: &[u8]) -> Option<i64> {
    let has_field = packet[3] & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x10 != 0;
    has_field.then(|| packet[6..10].iter().fold(0i64, |n, b| n << 8 | i64::from(*b)) << 1 | i64::from(packet[10] >> 7))
}

/// The stream without what `pids` carry in these seconds. Clock references stay: they are the multiplexer's.
fn without(packets: &mut Vec<(i64, Vec<u8>)>, pids: &[u16], seconds: Range<i64>) {
    packets.retain_mut(|(at, packet)| {
        let lost = pids.contains(&pid(packet)) && (seconds.start * SECOND..seconds.end * SECOND).contains(at);
        if lost && clock_reference(packet).is_some() {
            packet[3] = 0x20 | packet[3] & 0x0f;
            packet[4] = 183;
            packet[12..].fill(0xff);
            return true;
        }
        !lost
    });
}

fn written(folder: &Path, name: &str, packets: &[(i64, Vec<u8>)]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, packets.iter().flat_map(|(_, p)| p.clone()).collect::<Vec<u8>>()).unwrap();
    path
}

/// Every beep has a flash and every flash a beep within 40 ms, but for so many of each.
fn assert_together(what: &str, flashes: &[i64], beeps: &[i64], without_beep: usize, without_flash: usize) {
    assert_within(what, 40, flashes, beeps, without_beep, without_flash);
}

fn assert_within(what: &str, ms: i64, flashes: &[i64], beeps: &[i64], without_beep: usize, without_flash: usize) {
    let alone = |these: &[i64], those: &[i64]| {
        these.iter().filter(|at| !those.iter().any(|other| (*other - **at).abs() < ms * 1_000_000)).count()
    };
    let (dumb, blind) = (alone(flashes, beeps), alone(beeps, flashes));
    assert!(
        dumb <= without_beep && blind <= without_flash,
        "{what}: {dumb} flashes without a beep, {blind} beeps without a flash; flashes {flashes:?}, beeps {beeps:?}"
    );
}

#[test]
fn an_awkward_pause_of_sound_or_picture_in_a_file_is_a_hole_and_both_come_back_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let whole = packets(&transport_stream(folder.path(), "whole.ts", 24));
    // Silent or dark seconds, and how many seconds shorter it becomes: what neither has is passed over.
    let cases = [
        ("sound-2.ts", vec![SOUND_PID], 5..7, (2, 0), 0),
        ("sound-10.ts", vec![SOUND_PID], 5..15, (10, 0), 0),
        ("picture-2.ts", vec![PICTURE_PID], 5..7, (0, 2), 0),
        ("picture-8.ts", vec![PICTURE_PID], 5..13, (0, 8), 0),
        ("both-8.ts", vec![PICTURE_PID, SOUND_PID], 5..13, (0, 0), 8),
    ];
    for (name, pids, seconds, (dumb, blind), shorter) in cases {
        let mut sent = whole.clone();
        without(&mut sent, &pids, seconds);
        let path = written(folder.path(), name, &sent);
        let mut bench = Bench::new("30", &[&url_of(&path)]);
        let (flashes, beeps) = flashes_and_beeps(&mut bench, (22 - shorter) * 30);
        // One more where the pause cuts a flash or a beep in two, and the very first, which fades in.
        assert_together(name, &flashes, &beeps, dumb + 1, blind + 1);
        let last = ((21 - shorter) as i64 - 2) * SECOND;
        assert!(flashes.last() > Some(&last) && beeps.last() > Some(&last), "{name}: {flashes:?} {beeps:?}");
        assert!(flashes.len() + blind + shorter >= 20 && beeps.len() + dumb + shorter >= 20, "{name}");
        let off = bench.feed.av_offset_ms().unwrap();
        assert!(off.abs() < 20.0, "{name}: {off} ms");
        assert_eq!((bench.feed.health().reconnects, bench.feed.sound_losses()), (0, u64::from(dumb > 3)), "{name}");
    }
}

/// Serves the files of a folder over HTTP until the test's process ends; returns the port.
pub(super) fn serve(folder: PathBuf) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let folder = folder.clone();
            std::thread::spawn(move || {
                let mut head = std::io::BufReader::new(stream.try_clone().unwrap()).lines();
                let asked = head.next().and_then(Result::ok).unwrap_or_default();
                while head.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let name = asked.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
                let body = std::fs::read(folder.join(name)).unwrap_or_default();
                let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                // Who asked may be gone.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            });
        }
    });
    port
}

#[test]
fn an_awkward_pause_of_sound_over_hls_leaves_sound_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let whole = packets(&transport_stream(folder.path(), "whole.ts", 20));
    for (name, seconds, dumb) in [("short", 5..7, 2), ("long", 5..12, 7)] {
        let mut sent = whole.clone();
        without(&mut sent, &[SOUND_PID], seconds);
        let mut list = String::from("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n");
        for part in 0..10i64 {
            // Cut before a table, so that every segment begins with one, and at a key picture, one every half second.
            let in_part = |at: i64| (part * 2 * SECOND..(part + 1) * 2 * SECOND).contains(&at);
            let segment: Vec<_> = sent.iter().filter(|(at, _)| in_part(*at)).cloned().collect();
            written(folder.path(), &format!("{name}{part}.ts"), &segment);
            list += &format!("#EXTINF:2.0,\n{name}{part}.ts\n");
        }
        std::fs::write(folder.path().join(format!("{name}.m3u8")), list + "#EXT-X-ENDLIST\n").unwrap();
        let port = serve(folder.path().to_owned());
        let mut bench = Bench::new("30", &[&format!("http://127.0.0.1:{port}/{name}.m3u8")]);
        bench.until_live(3000);
        let (flashes, beeps) = flashes_and_beeps(&mut bench, 17 * 30);
        assert_together(name, &flashes, &beeps, dumb + 1, 1);
        assert!(beeps.iter().filter(|at| **at > 13 * SECOND).count() >= 3, "{name}: {beeps:?}");
        let off = bench.feed.av_offset_ms().unwrap();
        assert!(off.abs() < 20.0, "{name}: {off} ms");
    }
}

/// A lap is as long as its pictures. Four seconds of it are without `pid`: so many flashes have no beep, or beeps no flash.
fn loops_with_both_in_place(pid: u16, dumb: usize, blind: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut sent = packets(&transport_stream(folder.path(), "whole.ts", 10));
    without(&mut sent, &[pid], 6..20);
    let path = written(folder.path(), "short.ts", &sent);
    let mut bench = Bench::new("30", &[&url_of(&path)]);
    let (flashes, beeps) = flashes_and_beeps(&mut bench, 28 * 30);
    assert_together("short.ts", &flashes, &beeps, dumb, blind);
    assert!(flashes.len() >= 14 && beeps.len() >= 14, "{flashes:?} {beeps:?}");
    assert_eq!(bench.feed.health().reconnects, 0);
}

#[test]
fn a_file_whose_sound_is_shorter_than_its_picture_loops_with_both_in_place() {
    loops_with_both_in_place(SOUND_PID, 13, 2);
}

#[test]
fn a_file_whose_picture_is_shorter_than_its_sound_loops_with_both_in_place() {
    loops_with_both_in_place(PICTURE_PID, 2, 13);
}

/// Sends packets to a port when their time has come.
fn send(packets: Vec<(i64, Vec<u8>)>, port: u16) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let start = Instant::now();
        for datagram in packets.chunks(7) {
            let due = start + Duration::from_nanos(datagram[0].0 as u64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let bytes: Vec<u8> = datagram.iter().flat_map(|(_, p)| p.clone()).collect();
            // Refused where nobody listens yet: that is lost like any datagram.
            let _ = socket.send_to(&bytes, ("127.0.0.1", port));
        }
    })
}

#[test]
fn an_awkward_pause_of_sound_or_picture_over_udp_ends_where_it_belongs() {
    init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut sent = packets(&transport_stream(folder.path(), "live.ts", 19));
    without(&mut sent, &[SOUND_PID], 5..7);
    without(&mut sent, &[PICTURE_PID], 11..13);
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let url = Url::parse(&format!("udp://127.0.0.1:{port}")).unwrap();
    let spec = FeedSpec { key: "u".into(), title: "Udp".into(), sources: vec![url] };
    let grid = grid("30");
    let feed = Feed::start(spec, grid, Arc::clone(&clock), Pace::Realtime);
    // The supervisor opens its socket.
    feed.intake.stopped_within(Duration::from_millis(500));
    let sender = send(sent, port);
    let (mut flashes, mut beeps, mut quiet, mut bright) = (Vec::new(), Vec::new(), 0, false);
    let first = grid.frame_at(clock.now());
    let mut off = None;
    for frame in first..first + 19 * 30 {
        clock.wait_until(grid.frame_time(frame), Duration::from_secs(1));
        let at = (frame - first) as i64 * SECOND / 30;
        let pick = feed.picture_at(frame);
        let sound = feed.sound_at(grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1));
        let flash = pick.outcome != Outcome::Slate && middle(&pick.picture) > 180;
        if flash && !bright {
            flashes.push(at);
        }
        bright = flash;
        if loudness(&sound) > 2000 {
            if quiet > 15 {
                beeps.push(at);
            }
            quiet = 0;
        } else {
            quiet += 1;
        }
        off = feed.av_offset_ms().or(off);
    }
    sender.join().unwrap();
    let reconnects = feed.health().reconnects;
    feed.stop();
    // Flash and beep are each known to a tick, and a tick may be late on a busy machine.
    assert_within("udp", 110, &flashes, &beeps, 4, 4);
    assert!(flashes.len() >= 13 && beeps.len() >= 13, "{flashes:?} {beeps:?}");
    let late = 15 * SECOND;
    assert!(flashes.iter().filter(|at| **at > late).count() >= 2, "{flashes:?}");
    assert!(beeps.iter().filter(|at| **at > late).count() >= 2, "{beeps:?}");
    assert!(off.unwrap().abs() < 40.0, "{off:?} ms");
    assert_eq!(reconnects, 0);
}

/// A live source without a network, and without a supervisor that would give it up: pictures and sound are pushed by hand, a
/// tick's worth at a time, and taken out at the tick.
struct Live {
    intake: Intake,
    grid: Grid,
    frame: FrameNumber,
    run: u64,
    line: Continuity,
    ticks: i64,
}

impl Live {
    fn new() -> Self {
        let grid = grid("30");
        let intake = Intake::new(&grid, Pace::Realtime);
        let run = intake.begin(Timing::Live(Duration::from_millis(400)));
        let frame = grid.frame_at(MediaTime::from_secs(91_000_000));
        Self { intake, grid, frame, run, line: Continuity::new(), ticks: 0 }
    }

    /// What the source sends in one tick: the raw times of its picture and of its sound, where it has them.
    fn send(&mut self, picture: Option<i64>, sound: Option<i64>) {
        let now = self.grid.frame_time(self.frame);
        let real = self.ticks * SECOND / 30;
        if let Some(raw) = picture {
            let luma = if real.rem_euclid(SECOND) < 2 * SECOND / 30 { 230 } else { 30 };
            let planes = [vec![luma; 256], vec![128; 64], vec![128; 64]];
            let place = self.line.place(Stream::Picture, raw, SECOND / 30, Some(now));
            let picture = Picture::from_planes(16, 16, Colour::CANVAS, planes).unwrap();
            self.intake.push_picture(self.run, place, picture, None, now).unwrap();
        }
        if let Some(raw) = sound {
            let beep = real.rem_euclid(SECOND) < 2 * SECOND / 30;
            let wave = (0..1600).flat_map(|n| [if beep { if n / 24 % 2 == 0 { 9000 } else { -9000 } } else { 0 }; 2]);
            if self.intake.take_resettling(self.run) {
                self.line.resettle(Stream::Sound, raw);
                self.intake.realign_sound(self.run);
            }
            let place = self.line.place(Stream::Sound, raw, SECOND / 30, Some(now));
            if place.step == Step::Jump {
                self.intake.realign_sound(self.run);
            }
            self.intake.push_sound(self.run, place, &wave.collect::<Vec<_>>()).unwrap();
        }
        self.ticks += 1;
    }

    /// Flashes and beeps at the output of `seconds` of what `source` sends at a real time.
    fn play(&mut self, seconds: i64, source: impl Fn(i64) -> (Option<i64>, Option<i64>)) -> (Vec<i64>, Vec<i64>) {
        let (mut flashes, mut beeps) = (Vec::new(), Vec::new());
        let start = self.grid.frame_time(self.frame).as_nanos() as i64;
        let mut last = (false, 0);
        for _ in 0..seconds * 30 {
            let (picture, sound) = source(self.ticks * SECOND / 30);
            self.send(picture, sound);
            let tick = self.grid.frame_time(self.frame);
            let at = tick.as_nanos() as i64 - start;
            let flash = self.intake.pick(tick).is_some_and(|pick| middle(&pick.picture) > 180);
            let (heard, _) =
                self.intake.sound(self.grid.sample_at_frame(self.frame)..self.grid.sample_at_frame(self.frame + 1));
            self.frame += 1;
            if flash && !last.0 {
                flashes.push(at);
            }
            let quiet = if loudness(&heard) > 2000 { 0 } else { last.1 + 1 };
            if quiet == 0 && last.1 > 15 {
                beeps.push(at);
            }
            last = (flash, quiet);
        }
        (flashes, beeps)
    }
}

#[test]
fn pauses_of_a_live_source_of_any_length_leave_picture_and_sound_where_they_were() {
    for (picture_pauses, sound_pauses) in
        [(0, 2), (0, 10), (0, 60), (2, 0), (10, 0), (2, 2), (10, 10), (60, 60), (3, 5)]
    {
        let what = format!("picture {picture_pauses} s, sound {sound_pauses} s");
        let mut live = Live::new();
        let paused = |at: i64, seconds: i64| (5 * SECOND..(5 + seconds) * SECOND).contains(&at);
        let longest = picture_pauses.max(sound_pauses);
        let (flashes, beeps) = live.play(5 + longest + 8, |at| {
            ((!paused(at, picture_pauses)).then_some(at), (!paused(at, sound_pauses)).then_some(at))
        });
        let (dumb, blind) = ((sound_pauses - picture_pauses).max(0), (picture_pauses - sound_pauses).max(0));
        // One more at the edges of the pause, where a new anchor swallows it, and one at the start.
        assert_together(&what, &flashes, &beeps, dumb as usize + 2, blind as usize + 2);
        let late = (5 + longest + 2) * SECOND;
        for these in [&flashes, &beeps] {
            let after = these.iter().filter(|at| **at > late).count();
            assert!(after >= 5, "{what}: {flashes:?} {beeps:?}");
        }
        assert!(live.intake.av_offset_ms().unwrap().abs() < 20.0, "{what}: {:?}", live.intake.av_offset_ms());
        assert_eq!(live.intake.sound_losses(), u64::from(sound_pauses > 3 && picture_pauses == 0), "{what}");
        assert_eq!(live.intake.sound_trouble(), None, "{what}");
    }
}

#[test]
fn a_source_that_is_held_because_it_was_made_later_is_not_idle_though_a_picture_was_under_way() {
    let mut live = Live::new();
    live.play(2, |at| (Some(at), Some(at)));
    let before = live.grid.frame_time(live.frame);
    live.intake.delay_to(4 * SECOND, true);
    let at = live.ticks * SECOND / 30;
    live.send(Some(at), None);
    let idle = |after: Duration| live.intake.idle_since((Instant::now(), before), before + after).1;
    assert_eq!(idle(Duration::from_millis(3500)), Duration::ZERO);
    // Once it is due again it counts as before.
    assert!(idle(Duration::from_millis(7500)) > Duration::from_secs(3));
}

#[test]
fn sound_that_stops_for_good_is_told_and_its_picture_goes_on() {
    let mut live = Live::new();
    live.play(8, |at| (Some(at), (at < 4 * SECOND).then_some(at)));
    // What was under way is heard 0.4 s longer.
    assert_eq!(live.intake.sound_trouble(), Some(SoundTrouble::Silent { seconds: 3 }));
    let (flashes, _) = live.play(5, |at| (Some(at), None));
    assert_eq!(flashes.len(), 5);
    assert_eq!(
        (live.intake.sound_trouble(), live.intake.sound_losses()),
        (Some(SoundTrouble::Silent { seconds: 8 }), 1)
    );
    assert_eq!(live.intake.av_offset_ms(), None);
}

#[test]
fn jumps_of_a_live_source_keep_lips_and_voice_together_whichever_comes_first() {
    for jump in [7, 3600, -3600, -7] {
        for (picture_jumps, sound_jumps) in [(5_000, 5_000), (5_000, 5_800), (5_800, 5_000)] {
            let mut live = Live::new();
            let stamped = |at: i64, jumps: i64| Some(if at < jumps * 1_000_000 { at } else { at + jump * SECOND });
            let (flashes, beeps) = live.play(14, |at| (stamped(at, picture_jumps), stamped(at, sound_jumps)));
            let what = format!("{jump} s at {picture_jumps} and {sound_jumps} ms");
            assert_together(&what, &flashes, &beeps, 2, 2);
            assert!(flashes.len() >= 11 && beeps.len() >= 11, "{what}: {flashes:?} {beeps:?}");
            assert!(live.intake.av_offset_ms().unwrap().abs() < 20.0, "{what}");
        }
    }
}

#[test]
fn sound_stamped_where_it_can_never_be_heard_is_heard_all_the_same_and_the_difference_is_told() {
    for (off, told) in [(-3 * SECOND, true), (60 * SECOND, true), (6 * SECOND, false)] {
        let mut live = Live::new();
        let (_, beeps) = live.play(30, |at| (Some(at), Some(at + off)));
        let heard = beeps.iter().filter(|at| **at > 15 * SECOND).count();
        assert!(heard >= 10, "{off}: {beeps:?}");
        let trouble = live.intake.sound_trouble();
        if told {
            let Some(SoundTrouble::OffPicture { ms }) = trouble else { panic!("{off}: {trouble:?}") };
            assert!((ms * 1_000_000 + off).abs() < SECOND, "{off}: {ms} ms");
        } else {
            // Twelve seconds are kept: it is played where it belongs.
            assert_eq!(trouble, None, "{off}");
        }
    }
}

/// RMS of the left side of `ticks` ticks, in dB below full scale.
fn level_db(bench: &mut Bench, ticks: usize) -> f64 {
    let (mut power, mut count) = (0.0, 0);
    for _ in 0..ticks {
        for pair in bench.tick().1.interleaved.chunks_exact(2) {
            power += (f64::from(pair[0]) / 32_768.0).powi(2);
            count += 1;
        }
    }
    10.0 * (power / f64::from(count)).log10()
}

/// A clip whose sound comes from an FFmpeg expression for each channel.
fn many_channels(folder: &Path, name: &str, channels: &[f32], layout: &str, encoder: &str) -> PathBuf {
    let tones: Vec<String> = channels.iter().map(|peak| format!("{peak}*sin(6283*t)")).collect();
    let layout = if layout.is_empty() { String::new() } else { format!(":c={layout}") };
    let input = format!("aevalsrc={}{layout}:s=48000", tones.join("|"));
    Clip { name, frames: 60, luma: |_| 100, sound: (&input, encoder), ..CLIP }.make(folder)
}

#[test]
fn awkward_channel_counts_without_positions_are_heard_and_cost_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    for (channels, container, encoder) in [
        (1, "mov", "-c:a pcm_s16le"),
        (3, "mov", "-c:a pcm_s16le"),
        (5, "mov", "-c:a pcm_s24le"),
        (7, "mov", "-c:a pcm_s16le"),
        (8, "mov", "-c:a pcm_s16le"),
        (16, "mov", "-c:a pcm_s24le"),
        (4, "ts", "-c:a s302m -strict -2"),
        (8, "ts", "-c:a s302m -strict -2"),
    ] {
        // The programme on the first pair, something else on all others.
        let mut peaks = vec![0.25, 0.25];
        peaks.resize(channels.max(2), 0.7);
        peaks.truncate(channels);
        let name = format!("{channels}.{container}");
        let path = many_channels(folder.path(), &name, &peaks, "", encoder);
        let mut bench = Bench::new("30", &[&url_of(&path)]);
        for _ in 0..10 {
            assert_eq!(bench.tick().0.outcome, Outcome::OnTime, "{name}: {:?}", bench.feed.health());
        }
        // A sine of a quarter of full scale has -15.05 dB.
        let level = level_db(&mut bench, 30);
        assert!((level + 15.05).abs() < 0.3, "{name}: {level} dB");
        assert_eq!(bench.feed.health().reconnects, 0, "{name}");
    }
}

#[test]
fn an_awkward_change_between_five_one_stereo_and_seven_one_keeps_the_level() {
    let folder = tempfile::tempdir().unwrap();
    let half = std::f32::consts::FRAC_1_SQRT_2 * 0.5;
    let encoder = "-c:a aac -b:a 384k";
    let parts = [
        many_channels(folder.path(), "a.ts", &[0.0, 0.0, 0.5, 0.0, 0.0, 0.0], "5.1", encoder),
        many_channels(folder.path(), "b.ts", &[half, half], "stereo", encoder),
        many_channels(folder.path(), "c.ts", &[0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0], "7.1", encoder),
    ];
    let all = folder.path().join("all.ts");
    std::fs::write(&all, parts.iter().flat_map(|p| std::fs::read(p).unwrap()).collect::<Vec<u8>>()).unwrap();
    let mut bench = Bench::new("30", &[&url_of(&all)]);
    let levels: Vec<f64> = (0..18).map(|_| level_db(&mut bench, 10)).collect();
    // The middles of the three parts.
    let middles = [levels[3], levels[9], levels[15]];
    for level in middles {
        assert!((level - middles[0]).abs() < 1.0 && (level + 12.04).abs() < 1.0, "{levels:?}");
    }
    assert_eq!(bench.feed.health().reconnects, 0);
}

#[test]
fn who_goes_in_step_is_given_the_picture_behind_much_sound() {
    let grid = grid("30");
    let intake = Intake::new(&grid, Pace::Lockstep);
    let run = intake.begin(Timing::Pulled);
    let push = |at| {
        let planes = [vec![30; 256], vec![128; 64], vec![128; 64]];
        let picture = Picture::from_planes(16, 16, Colour::CANVAS, planes).unwrap();
        intake.push_picture(run, at, picture, None, MediaTime::ZERO).unwrap();
    };
    std::thread::scope(|scope| {
        let source = scope.spawn(|| {
            [0, SECOND / 30].into_iter().for_each(push);
            // More than is enough for now, as long as there is a picture.
            for second in 0..5 {
                let pushed = intake.push_sound(run, second * SECOND, &[0; 2 * 48_000]);
                if pushed.is_err() {
                    return;
                }
            }
            push(5 * SECOND);
        });
        let first = grid.frame_at(MediaTime::from_secs(91_000_000));
        for frame in [first, first + 1] {
            let _ = intake.pick(grid.frame_time(frame));
        }
        let pictures = intake.pictures_in_run();
        intake.stop();
        source.join().unwrap();
        assert_eq!(pictures, 3, "its patience was all used up");
    });
}
