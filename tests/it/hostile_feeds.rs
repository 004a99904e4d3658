//! One hostile source after another on the real program, beside games that are watched: each costs its own slot a slate, and nobody else a
//! frame. In real time, on the real clock.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::barcode::Clip;
use crate::support::hostile_servers::PUBLIC;
use crate::support::hostile_sources::{Hostile, files, mutations, places, servers};
use crate::support::player::Player;
use crate::support::program::{DEVICE, Footprint, OPERATOR, Program, until};

const FPS: u64 = 24;
/// The games that nothing is to happen to.
const GOOD: [&str; 4] = ["a", "b", "c", "d"];
const PLAYERS: usize = 20;
/// How long it is looked what a machine does of itself.
const CONTROL: Duration = Duration::from_secs(4);
/// A hostile source is watched for so long at least.
const WATCHED: Duration = Duration::from_secs(2);
/// By then a source has said, or kept from saying, whatever it is going to.
const REASON_PATIENCE: Duration = Duration::from_secs(45);
/// Mosaics that nobody watches go after five seconds, threads of pools after ten, memory that is free within the minute.
const CLEARED_PATIENCE: Duration = Duration::from_secs(90);
/// Of memory, above what there was before.
const MEMORY_MIB: u64 = 64;
/// While a source runs whose segments may have 64 MiB each, unpacked.
const PEAK_MIB: u64 = 192;
/// What pools of threads, and connections of players, come to differ by.
const MORE_THREADS: u64 = 8;
const MORE_DESCRIPTORS: u64 = 12;
/// How often a machine that was late by itself is tried again.
const ATTEMPTS: usize = 3;
/// Hostile sources beside a good one in a mosaic.
const IN_A_MOSAIC: usize = 3;
/// Mutations of files that are watched at once.
const AT_ONCE: usize = 6;

/// As many seconds of good games as anybody wants, and a folder where operators may have files.
fn configuration(dir: &Path, feeds: &str) -> PathBuf {
    let clip = |number: u8, name: &str| {
        let path = dir.join("media").join(name);
        Clip { width: 320, height: 180, ..Clip::new(number, 90, 400 + 100 * u32::from(number)) }.write(&path);
        format!("file://{}?loop=1", path.display())
    };
    let games = [
        ("a", "test://ball?size=320x180&tone=300".to_owned()),
        ("b", clip(1, "b.mp4")),
        ("c", clip(2, "c.ts")),
        ("d", "test://smpte?size=320x180&tone=500".to_owned()),
    ];
    let games: String = games
        .iter()
        .map(|(id, source)| format!("[[games]]\nid = {id:?}\ntitle = {id:?}\nsources = [{source:?}]\n"))
        .collect();
    let text = format!(
        "listen = \"127.0.0.1:0\"\ndata_dir = {:?}\ncompositor = \"cpu\"\nfeeds = {feeds:?}\n\
         [[tenants]]\nid = \"acme\"\noperator_keys = [\"{OPERATOR}\"]\ndevice_keys = [\"{DEVICE}\"]\n{games}\
         [sources]\nnetworks = [\"{PUBLIC}/32\"]\nmedia_dirs = [{:?}]\n\
         [sessions]\nmosaic_idle_s = 5\n[stitch]\nkeep_warm = false\n[admission]\nheadroom_percent = 100\n\
         [output]\nfps = \"{FPS}\"\nsegment_frames = {FPS}\nwindow_s = 10\n\
         [[output.renditions]]\nname = \"small\"\nwidth = 320\nheight = 180\nbitrate = 200_000\n",
        dir.join("data"),
        dir.join("media"),
    );
    let path = dir.join("quadrille.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// What the service and those that decode for it take.
#[derive(Clone, Copy, Debug)]
struct Taken {
    service: Footprint,
    children: usize,
    children_mib: u64,
}

/// A service, its games, and those who watch them.
struct Field {
    program: Arc<Program>,
    players: Vec<Player>,
    /// Since when each good game is live.
    since: Vec<Value>,
    before: Taken,
    /// Sources that nothing is wrong with.
    meant_well: [Hostile; 3],
    /// Sources whose games' health does not say why they are dark.
    misnamed: Vec<String>,
    /// Segments that were late before, by the machine's own doing.
    late: f64,
}

impl Field {
    async fn new(dir: &Path, feeds: &str) -> Self {
        std::fs::create_dir_all(dir.join("media")).unwrap();
        let program = Arc::new(Program::serve(&configuration(dir, feeds)));
        until("the good games are live", async || {
            (program.metric("quadrille_feeds{status=\"live\"}").await >= 4.0).then_some(())
        })
        .await;
        let mut players = Vec::new();
        for n in 0..PLAYERS {
            // Five mosaics of tiles, each with four players.
            let games: Vec<_> = (0..4).map(|slot| GOOD[(slot * [1, 3][n / 4 % 2] + n % 5) % 4]).collect();
            players.push(watch(&program, &games).await);
        }
        let before = taken(&program);
        let file = |id: &str| format!("file://{}?loop=1", dir.join("media").join(id).display());
        let meant_well = ["b.mp4", "c.ts", "b.mp4"].map(|id| Hostile::new(id, file(id), &[]));
        let since = Vec::new();
        let mut field = Self { program, players, since, before, meant_well, misnamed: Vec::new(), late: 0.0 };
        until("all of them play", async || {
            let play = |player: &Player| player.plays();
            field.players.iter().all(play).then_some(())
        })
        .await;
        // Not before: what tiles and their encoders take is theirs.
        field.before = taken(&field.program);
        // What comes and goes leaves memory behind that is free and kept for the next, however well it meant.
        field.show(&field.meant_well.iter().collect::<Vec<_>>()).await;
        field.clear("what means well").await;
        // The machine has caught its breath.
        tokio::time::sleep(CONTROL).await;
        for player in &field.players {
            player.take_wrong();
        }
        field.since = field.since_when().await;
        field.late = field.late_now().await;
        field.before = taken(&field.program);
        field.stands_behind();
        println!("before: {:?}", field.before);
        field
    }

    async fn late_now(&self) -> f64 {
        self.program.metric("quadrille_late_segments_total").await
    }

    async fn health(&self, id: &str) -> Value {
        self.program.operator(&format!("/v1/operator/games/{id}")).await["health"].clone()
    }

    /// All that decodes stands behind what draws, encodes and serves, and what reads for it behind who serves.
    fn stands_behind(&self) {
        let nice = |id: u32| {
            let threads = std::fs::read_dir(format!("/proc/{id}/task")).unwrap().flatten();
            let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
            // Behind the name, which may have spaces: the sixteenth (proc(5)).
            let nice = |stat: String| stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse::<i64>().ok();
            stats.filter_map(nice).collect::<Vec<_>>()
        };
        let (own, service) = (nice(std::process::id())[0], nice(self.program.id()));
        // A test run that is itself as nice as can be says nothing.
        for (child, _) in self.program.children().iter().filter(|_| own <= 9) {
            let (child, media) = (nice(*child), service.iter().max().unwrap());
            assert!(child.iter().min() > Some(&own) && child.iter().max() > Some(media), "{child:?}, {service:?}");
        }
    }

    async fn since_when(&self) -> Vec<Value> {
        let mut since = Vec::new();
        for id in GOOD {
            let health = self.health(id).await;
            since.push(json!([id, health["status"], health["since"]]));
        }
        since
    }

    /// What happened to those who watch good games since they were asked last.
    async fn harm(&mut self) -> Vec<String> {
        let mut harm: Vec<_> = self.players.iter().flat_map(|player| player.take_wrong()).collect();
        let late = self.late_now().await;
        if late > self.late {
            harm.push(format!("{} segments were late", late - self.late));
        }
        let since = self.since_when().await;
        if since != self.since {
            harm.push(format!("{since:?}, and before {:?}", self.since));
        }
        (self.late, self.since) = (late, since);
        harm
    }

    /// All players have gone on, by as many segments as there were seconds.
    async fn go_on(&self, begun: Instant, from: &[u64]) {
        let seconds = begun.elapsed().as_secs();
        let patience = "the players have what there is";
        until(patience, async || {
            let newest = self.newest();
            newest.iter().zip(from).all(|(newest, from)| newest + 2 >= from + seconds).then_some(())
        })
        .await;
    }

    fn newest(&self) -> Vec<u64> {
        self.players.iter().map(|player| player.newest()).collect()
    }

    async fn register(&self, id: &str, sources: &[String]) -> (StatusCode, Value) {
        let game = json!({"id": id, "title": id, "sources": sources});
        let answer = self.program.send(Method::POST, "/v1/operator/games", OPERATOR, Some(game)).await;
        (answer.status(), answer.json().await.unwrap())
    }

    /// Shows hostile sources beside each other for a while: what the service took most, what the health of each said at last, and what
    /// the player had to bear who watched them.
    async fn show(&self, hostile: &[&Hostile]) -> (Taken, Vec<Value>, Vec<String>) {
        let mut games = Vec::new();
        for (n, one) in hostile.iter().enumerate() {
            let id = format!("hostile-{n}");
            let (status, said) = self.register(&id, &one.sources).await;
            assert_eq!(status, StatusCode::CREATED, "{}: {said}", one.name);
            games.push(id);
        }
        let mut watching = Vec::new();
        for three in games.chunks(IN_A_MOSAIC) {
            // A good one is heard: where a game of the same name was a moment ago, the new one's sound rightly has a gap.
            let shown = GOOD[..1].iter().copied().chain(three.iter().map(String::as_str));
            let shown: Vec<&str> = shown.chain(GOOD[1..].iter().copied()).take(4).collect();
            watching.push(watch(&self.program, &shown).await);
        }
        let (begun, mut most) = (Instant::now(), taken(&self.program));
        let mut said = vec![Value::Null; hostile.len()];
        loop {
            for ((id, said), one) in games.iter().zip(&mut said).zip(hostile) {
                let health = self.health(id).await;
                // A source that is tried again says for a moment that it connects.
                if !one.is_known(&said["reason"]) {
                    *said = health;
                }
            }
            let now = taken(&self.program);
            most.service.memory_mib = most.service.memory_mib.max(now.service.memory_mib);
            most.children_mib = most.children_mib.max(now.children_mib);
            let is_known = |(said, one): (&Value, &&Hostile)| one.reasons.is_empty() || one.is_known(&said["reason"]);
            let known = said.iter().zip(hostile).all(is_known);
            if begun.elapsed() >= WATCHED && known || begun.elapsed() >= REASON_PATIENCE {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut wrong = Vec::new();
        for player in watching {
            wrong.extend(player.leave(&self.program).await);
        }
        for id in &games {
            let deleted = self.program.send(Method::DELETE, &format!("/v1/operator/games/{id}"), OPERATOR, None).await;
            assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
        }
        (most, said, wrong)
    }

    /// As before, once what was started has ended.
    async fn clear(&self, name: &str) {
        let begun = Instant::now();
        loop {
            let now = taken(&self.program);
            let Taken { service, children, .. } = self.before;
            let memory = now.service.memory_mib <= service.memory_mib + MEMORY_MIB;
            let threads = now.service.threads <= service.threads + MORE_THREADS;
            let descriptors = now.service.descriptors <= service.descriptors + MORE_DESCRIPTORS;
            if memory && threads && descriptors && now.children == children {
                return;
            }
            assert!(begun.elapsed() < CLEARED_PATIENCE, "{name} leaves behind: {now:?}, before {:?}", self.before);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// One stage: what is hostile is shown and deleted. Others lose nothing by it, but for what the machine loses by itself: harm that was
    /// done is laid to the sources unless as many that mean well do some, too.
    /// Returns those that there was no room to decode.
    async fn endure<'a>(&mut self, hostile: &[&'a Hostile]) -> Vec<&'a Hostile> {
        let names: Vec<_> = hostile.iter().map(|one| one.name.as_str()).collect();
        let names = names.join(", ");
        for attempt in 1.. {
            let (begun, from) = (Instant::now(), self.newest());
            let (most, said, wrong) = self.show(hostile).await;
            self.go_on(begun, &from).await;
            let mut harm = self.harm().await;
            harm.extend(wrong);
            for (said, one) in said.iter().zip(hostile) {
                println!("{}: {} {}; {}", one.name, said["status"], said["reason"], said["last_error"]);
                let named = one.reasons.is_empty() || one.is_known(&said["reason"]);
                if !named {
                    self.misnamed.push(format!("{} is to say one of {:?}: {said}", one.name, one.reasons));
                }
            }
            println!("  {:?}, {most:?}", begun.elapsed());
            let more = most.service.memory_mib.saturating_sub(self.before.service.memory_mib);
            assert!(more <= PEAK_MIB, "{names}: {more} MiB more");
            self.clear(&names).await;
            if harm.is_empty() {
                let unseen = said.iter().zip(hostile).filter(|(said, _)| said["reason"] == "no_room");
                return unseen.map(|(_, one)| *one).collect();
            }
            let (begun, from) = (Instant::now(), self.newest());
            let well: Vec<_> = self.meant_well.iter().cycle().take(hostile.len()).collect();
            let (.., wrong) = self.show(&well).await;
            tokio::time::sleep(CONTROL).await;
            self.go_on(begun, &from).await;
            let mut of_others = self.harm().await;
            of_others.extend(wrong);
            self.clear("what means well").await;
            assert!(!of_others.is_empty(), "{names} did harm, and those that mean well do none: {harm:#?}");
            assert!(
                attempt < ATTEMPTS,
                "this machine is too busy to say what does harm: {names}: {harm:#?}, by others: {of_others:#?}"
            );
            println!("  the machine is late by itself ({of_others:?}): again");
        }
        unreachable!("the last attempt returns or panics")
    }

    async fn end(mut self) {
        let harm = self.harm().await;
        for player in self.players {
            player.leave(&self.program).await;
        }
        assert!(harm.is_empty(), "{harm:#?}");
        assert!(self.misnamed.is_empty(), "{:#?}", self.misnamed);
        assert_eq!(self.program.metric("quadrille_pipelines_hanging").await, 0.0);
    }
}

/// A session that shows `games`, and its player.
async fn watch(program: &Arc<Program>, games: &[&str]) -> Player {
    let body = json!({"games": games, "layout": "4E"});
    let session = until("a session", async || {
        let answer = program.send(Method::POST, "/v1/sessions", DEVICE, Some(body.clone())).await;
        match answer.status() {
            StatusCode::CREATED => Some(answer.json::<Value>().await.unwrap()),
            status => {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text().await.unwrap());
                None
            }
        }
    })
    .await;
    Player::start(program, &session, FPS).await
}

fn taken(program: &Program) -> Taken {
    let children = program.children();
    let children_mib = children.iter().map(|(_, mib)| mib).sum();
    Taken { service: program.footprint(), children: children.len(), children_mib }
}

/// Mutations of each kind of file.
fn of_each() -> u64 {
    std::env::var("QUADRILLE_HOSTILE_MUTATIONS").map_or(200, |count| count.parse().unwrap())
}

/// What an operator may not even name.
async fn unnameable(field: &Field) {
    for source in ["file:///etc/passwd", "file:///dev/zero", "http://127.0.0.1:1/a.m3u8", "http://169.254.169.254/a.ts"]
    {
        let (status, said) = field.register("never", &[source.to_owned()]).await;
        assert_eq!((status, &said["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("source_forbidden")), "{source}");
    }
}

/// Some of everything: each of a kind that the others are not of.
async fn a_few(feeds: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mut field = Field::new(dir.path(), feeds).await;
    unnameable(&field).await;
    let mut hostile = files(dir.path());
    hostile.extend(servers(dir.path()));
    hostile.extend(places(dir.path()));
    let few = ["a stream of 16384x16384", "a programme of 8000 streams", "/endless.m3u8", "/inside"];
    let mutations = mutations(dir.path(), 1);
    let few = few.iter().map(|name| hostile.iter().find(|one| one.name == *name).unwrap());
    field.endure(&few.chain(&mutations).collect::<Vec<_>>()).await;
    field.end().await;
}

async fn all(feeds: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mut field = Field::new(dir.path(), feeds).await;
    unnameable(&field).await;
    for one in files(dir.path()).iter().chain(&places(dir.path())).chain(&servers(dir.path())) {
        field.endure(&[one]).await;
    }
    let mutations = mutations(dir.path(), of_each());
    let mut unseen = Vec::new();
    for some in mutations.chunks(AT_ONCE) {
        unseen.extend(field.endure(&some.iter().collect::<Vec<_>>()).await);
    }
    // What was not decoded has shown nothing: alone, there is room for each.
    for one in unseen {
        let undecoded = field.endure(&[one]).await;
        assert!(undecoded.is_empty(), "{} is never decoded", one.name);
    }
    field.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_hostile_feeds_inside_cost_their_slot_a_slate() {
    a_few("inside").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_hostile_feeds_apart_cost_their_slot_a_slate() {
    a_few("apart").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes, or less with QUADRILLE_HOSTILE_MUTATIONS: part of `make test-long`"]
async fn service_hostile_feeds_of_every_kind_inside_cost_their_slot_a_slate() {
    all("inside").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes: part of `make test-long`"]
async fn service_hostile_feeds_of_every_kind_apart_cost_their_slot_a_slate() {
    all("apart").await;
}
