//! The process that decodes one run of one source, and knows nothing else.

use std::collections::HashMap;
use std::io::BufReader;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::{Condvar, Mutex};
use url::Url;

use super::far::{Far, Mouth};
use super::jail;
use super::message::{self, Begin, Down, Network, Takes, Up};
use super::passing;
use super::places::Places;
use super::relay::Relay;
use super::watched::Wall;
use crate::captions::{Kind, Text, TrackInfo};
use crate::cues::daterange::SourceRange;
use crate::feed::error::SourceError;
use crate::feed::facts::Facts;
use crate::feed::outlet::Outlet;
use crate::feed::pipeline::{self, Doors, Entry, Fed};
use crate::feed::playlist::Said;
use crate::feed::room::{DecodeCosts, Decoding};
use crate::feed::source::Source;
use crate::feed::starts::Starts;
use crate::feed::texts::TextOrigin;
use crate::reach::Reach;
use crate::timeline::{Clock, Fps, Grid};
use crate::work;

/// How often it says that it lives, once it has nothing else to do; as often as it is looked at before.
const BEAT: Duration = Duration::from_millis(100);
/// How often it says what decoding costs.
const COSTS_EVERY: Duration = Duration::from_secs(1);
/// A door is waited for as long as a pipeline may take to start.
const DOOR_PATIENCE: Duration = Duration::from_secs(10);

/// Decodes what the parent, at the other end of standard input, hands over, until it says that it is enough or is gone.
pub fn child() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quadrille feed-child: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether a parent of a feed's process is at the other end of standard input.
fn work() -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    work::close_inherited();
    // What it was started as says little.
    let _ = rustix::thread::set_name(c"quadrille-feed");
    // What sources cost comes after the tick, the compositor, the encoders and who is served.
    work::stand_back();
    jail::outlast_requests();
    work::die_with_parent().map_err(text)?;
    let pipe = std::io::stdin().as_fd().try_clone_to_owned().map_err(text)?;
    let pipe = UnixStream::from(pipe);
    let mut descriptors = passing::receive(&pipe).map_err(text)?.into_iter();
    let memory = descriptors.next().ok_or("no memory for pictures")?;
    let places = Places::new(&memory).map_err(text)?;
    let mut buffer = Vec::new();
    let mut reader = BufReader::new(pipe.try_clone().map_err(text)?);
    message::receive(&mut reader, &mut buffer).map_err(text)?.ok_or("no parent")?;
    let (Down::Begin(mut begin), _) = message::parse(&buffer).map_err(|lie| lie.to_string())? else {
        return Err("the parent does not begin".into());
    };
    let file = if begin.has_file { descriptors.next() } else { None };
    let (relay, no_network) = relay(&mut begin, &mut descriptors).map_err(text)?;
    work::give_up_rights().map_err(text)?;
    // It ends with its parent also where it has got other rights since.
    work::die_with_parent().map_err(text)?;
    // Plugins are found and listed before there is nothing left to be found.
    crate::feed::init().map_err(|error| error.to_string())?;
    let mut missing = jail::lock_in(&begin, file.as_ref())?;
    missing.extend(no_network);
    let far = Arc::new(Far::new(Mouth::new(pipe), places, begin.live, begin.now));
    let _ = far.mouth.say(&Up::Ready { missing });
    let hall = Arc::new(Hall::default());
    {
        let (far, hall) = (Arc::clone(&far), Arc::clone(&hall));
        let listen = move || {
            listen(&mut reader, &far, &hall);
            far.end();
        };
        std::thread::Builder::new().name("feed-parent".into()).spawn(listen).map_err(text)?;
    }
    let entry = entry(&begin, file.as_ref(), descriptors.collect(), relay, &hall);
    if let Err(error) = entry.and_then(|entry| run(entry, &begin, &far)) {
        let _ = far.mouth.say(&Up::Failed(error));
    }
    // It is the parent who ends it: what was said must have been heard.
    while !far.mouth.is_over() {
        std::thread::sleep(BEAT);
        let _ = far.mouth.say(&Up::Beat);
    }
    Ok(())
}

/// A network of its own, where it is to have one, and the name of the wall that there is not. What the others are told has to do with
/// it, too.
fn relay(
    begin: &mut Begin,
    descriptors: &mut impl Iterator<Item = OwnedFd>,
) -> std::io::Result<(Option<Relay>, Option<Wall>)> {
    let (Some(url), true) = (&begin.url, begin.own_network) else { return Ok((None, None)) };
    let line = descriptors.next().ok_or(std::io::ErrorKind::InvalidInput)?;
    let Some(relay) = Relay::enter(url, line)? else { return Ok((None, Some(Wall::OwnNetwork))) };
    begin.network = Network::Own;
    // Whatever it calls is in there; what is outside was judged outside.
    begin.reach = Reach::of_ones_own();
    Ok((Some(relay), None))
}

fn entry(
    begin: &Begin,
    file: Option<&OwnedFd>,
    sockets: Vec<OwnedFd>,
    relay: Option<Relay>,
    hall: &Arc<Hall>,
) -> Result<Entry, SourceError> {
    let broken = |problem: &str| SourceError::Pipeline(problem.to_owned());
    if let Some(relay) = relay {
        let source = relay.start().map_err(|error| broken(&error.to_string()))?;
        return Ok(Entry::Source(source, Vec::new()));
    }
    Ok(match (&begin.url, file) {
        (Some(url), file) => {
            let mut url = Url::parse(url).map_err(|_| broken("no address"))?;
            if let Some(file) = file {
                url.set_path(&format!("/proc/self/fd/{}", file.as_raw_fd()));
            }
            let source = Source::parse(&url)?;
            Entry::Source(if begin.once { source.once() } else { source }, sockets)
        }
        (None, _) => {
            let hall = Arc::clone(hall);
            Entry::Fed(Box::new(move |doors| hall.open(doors)))
        }
    })
}

fn run(entry: Entry, begin: &Begin, far: &Arc<Far>) -> Result<(), SourceError> {
    let broken = |problem: &str| SourceError::Pipeline(problem.to_owned());
    let fps = Fps::new(begin.fps.0, begin.fps.1).map_err(|_| broken("no such rate"))?;
    let grid = Grid::new(fps, 2 * fps.num() / fps.den().max(1));
    let facts = Arc::new(Mutex::new(Facts::default()));
    let costs = Arc::new(DecodeCosts::knowing(&begin.costs));
    let decoding = Decoding {
        room: far.clone(),
        costs: costs.clone(),
        max_sounds: begin.max_sounds as usize,
        reach: begin.reach.clone(),
        limits: begin.limits,
        fetches: Arc::default(),
        apart: None,
        // It was its parent who let it start.
        starts: Starts::unlimited().of(None),
    };
    let clock: Arc<dyn Clock> = far.clone();
    let around = pipeline::Surroundings {
        grid: &grid,
        clock: &clock,
        intake: far.clone(),
        run: 0,
        facts: &facts,
        decoding: &decoding,
    };
    let run = pipeline::Run::start(entry, begin.wanted.clone(), &around)?;
    let mut teller = Teller { far, costs: &costs, told: Facts::default(), warned: None, costs_at: None };
    let error = run.watch(&mut || teller.look(&facts.lock().clone(), run.warned()));
    teller.tell(&facts.lock().clone(), run.warned());
    if far.mouth.is_over() {
        run.let_go("");
        return Ok(());
    }
    Err(error)
}

/// Tells the parent what is to be told again and again.
struct Teller<'a> {
    far: &'a Arc<Far>,
    costs: &'a DecodeCosts,
    told: Facts,
    warned: Option<SourceError>,
    costs_at: Option<Instant>,
}

impl Teller<'_> {
    fn look(&mut self, facts: &Facts, warned: Option<SourceError>) -> Option<SourceError> {
        let _ = self.far.mouth.say(&Up::Beat);
        if self.costs_at.is_none_or(|at| at.elapsed() >= COSTS_EVERY) && self.far.pictures_in_run() > 0 {
            self.costs_at = Some(Instant::now());
            let _ = self.far.mouth.say(&Up::Costs(self.costs.known()));
        }
        self.tell(facts, warned);
        self.far.mouth.is_over().then_some(SourceError::Ended)
    }

    fn tell(&mut self, facts: &Facts, warned: Option<SourceError>) {
        if *facts != self.told || warned != self.warned {
            (self.told, self.warned) = (facts.clone(), warned.clone());
            let _ = self.far.mouth.say(&Up::Facts { facts: Box::new(facts.clone()), warned });
        }
    }
}

/// Hears the parent out.
fn listen(reader: &mut BufReader<UnixStream>, far: &Arc<Far>, hall: &Arc<Hall>) {
    let mut buffer = Vec::new();
    while let Ok(Some(())) = message::receive(reader, &mut buffer) {
        let Ok((message, tail)) = message::parse::<Down>(&buffer) else { return };
        match message {
            Down::Begin(_) => {}
            Down::Over => return,
            Down::Beat { now, delay, left, returned } => {
                far.places.returned(&returned);
                far.beat(now, delay, left);
            }
            Down::Credit { lane, count, resettle, returned } => {
                far.places.returned(&returned);
                far.credit(lane, count, resettle);
            }
            Down::SoundBeside(index) => far.answer_beside(index),
            Down::Admitted(admitted) => far.answer_admitted(admitted),
            other => hall.take(other, tail, far),
        }
    }
}

/// What a door is to do.
enum Errand {
    Push(Bytes, Option<Duration>),
    Fresh(Option<[i64; 2]>),
    End,
}

/// The doors that the parent pushes through, each with a thread of its own that may wait.
#[derive(Default)]
struct Hall {
    doors: Mutex<Option<Doors>>,
    opened: Condvar,
    errands: Mutex<HashMap<u32, Sender<Errand>>>,
}

impl Hall {
    /// The pipeline runs.
    fn open(&self, doors: Doors) {
        *self.doors.lock() = Some(doors);
        self.opened.notify_all();
    }

    fn doors(&self) -> Option<Doors> {
        let mut doors = self.doors.lock();
        let until = Instant::now() + DOOR_PATIENCE;
        while doors.is_none() && !self.opened.wait_until(&mut doors, until).timed_out() {}
        doors.clone()
    }

    fn take(self: &Arc<Self>, message: Down, tail: &[u8], far: &Arc<Far>) {
        let errand = |door: u32, errand: Errand| {
            if let Some(errands) = self.errands.lock().get(&door) {
                // Its thread has ended: the run is over.
                let _ = errands.send(errand);
            }
        };
        match message {
            Down::Open { door, takes, timed, beside } => self.begin(far, door, takes, timed, beside),
            Down::Push { door, at_ns } => {
                errand(door, Errand::Push(Bytes::copy_from_slice(tail), at_ns.map(Duration::from_nanos)));
            }
            Down::Fresh { door, zero } => errand(door, Errand::Fresh(zero)),
            Down::End { door } => {
                errand(door, Errand::End);
                self.errands.lock().remove(&door);
            }
            told => self.tell(told),
        }
    }

    fn tell(&self, message: Down) {
        let Some(doors) = self.doors() else { return };
        match message {
            Down::ExpectSound => doors.expect_sound(),
            Down::Date { raw, unix_us } => doors.date(raw, unix_us),
            // What is written and said the parent keeps: only when it is due is to be found out.
            Down::Text { number, start, end } => {
                let track = TrackInfo { language: String::new(), kind: Kind::Subtitles };
                let origin = Arc::new(TextOrigin { track, name: number.to_string().into() });
                doors.text(&origin, Text::default(), start..end);
            }
            Down::Cue { number, start, end, base } => {
                let range = Box::new(SourceRange { id: number.to_string(), ..SourceRange::default() });
                doors.cue(Said::Range { range, start, end }, base);
            }
            _ => {}
        }
    }

    fn begin(self: &Arc<Self>, far: &Arc<Far>, door: u32, takes: Takes, timed: bool, beside: Option<message::Track>) {
        let (sender, errands) = unbounded();
        self.errands.lock().insert(door, sender);
        let (hall, told) = (Arc::clone(self), Arc::clone(far));
        let work = move || {
            let opened = hall.doors().ok_or(SourceError::Pipeline("no pipeline".into())).and_then(|doors| {
                let takes = takes.into();
                match beside.map(message::Track::checked) {
                    None => doors.open(takes, timed),
                    Some(Ok(track)) => doors.open_beside(track, timed),
                    Some(Err(lie)) => Err(SourceError::Pipeline(lie.to_string())),
                }
            });
            let error = opened.as_ref().err().cloned();
            let _ = told.mouth.say(&Up::DoorOpened { door, error });
            if let Ok(fed) = opened {
                serve(&told, door, &fed, &errands);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("feed-door".into()).spawn(work) {
            let error = Some(SourceError::Pipeline(format!("no thread: {error}")));
            let _ = far.mouth.say(&Up::DoorOpened { door, error });
        }
    }
}

/// Runs a door's errands until it has ended.
fn serve(far: &Far, door: u32, fed: &Fed, errands: &Receiver<Errand>) {
    for errand in errands {
        match errand {
            Errand::Push(bytes, at) => {
                let length = bytes.len() as u32;
                if fed.push(bytes, at).is_err() || far.mouth.say(&Up::DoorTook { door, bytes: length }).is_err() {
                    return;
                }
            }
            Errand::Fresh(zero) => fed.fresh(zero),
            Errand::End => return fed.end(),
        }
    }
}
