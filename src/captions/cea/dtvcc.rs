//! CTA-708-E: packets of the caption channel, their service blocks, and what services make of their codes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cea708_types::tables::{Code, WindowBits};

use super::window::{Did, Window};
use super::{Aspect, Effect, Service, codes};
use crate::captions::Text;
use crate::timeline::MediaTime;

/// Most bytes of a packet (CTA-708-E, 5: a size code of 0 means 127 after the header).
const MAX_PACKET: usize = 128;

/// Bytes that wait while a service is delayed. When they are that many, the delay ends (CTA-708-E, 8.10.5).
const MAX_WAITING: usize = 128;

#[derive(Debug)]
pub(super) struct Dtvcc {
    aspect: Aspect,
    packet: Vec<u8>,
    /// Bytes that the packet will have; 0 before the first packet's beginning.
    length: usize,
    sequence: Option<u8>,
    services: BTreeMap<u8, Screens>,
    heard: MediaTime,
}

impl Dtvcc {
    pub fn new(aspect: Aspect) -> Self {
        let (packet, services) = (Vec::with_capacity(MAX_PACKET), BTreeMap::new());
        Self { aspect, packet, length: 0, sequence: None, services, heard: MediaTime::ZERO }
    }

    pub fn aspect(&self) -> Aspect {
        self.aspect
    }

    /// Takes in a pair of a packet, or of its `start`. One that is not valid is padding, in the middle of a packet, too.
    pub fn push(&mut self, now: MediaTime, start: bool, pair: Option<[u8; 2]>) {
        let Some(pair) = pair else { return };
        if start {
            // A packet that another one cuts short gives its whole blocks.
            self.end_packet(now);
            let size = usize::from(pair[0] & 0x3f);
            self.length = if size == 0 { MAX_PACKET } else { size * 2 };
        }
        if self.length == 0 {
            return;
        }
        let room = self.length.saturating_sub(self.packet.len());
        self.packet.extend(pair.into_iter().take(room));
        if self.packet.len() >= self.length {
            self.end_packet(now);
        }
    }

    fn end_packet(&mut self, now: MediaTime) {
        self.length = 0;
        let packet = std::mem::take(&mut self.packet);
        let Some((header, mut rest)) = packet.split_first() else { return };
        self.heard = now;
        let sequence = header >> 6;
        // A packet is missing: a code that it held the rest of is not to be made up from another's bytes.
        if self.sequence.is_some_and(|last| (last + 1) & 3 != sequence) {
            self.services.values_mut().for_each(|service| service.part.clear());
        }
        self.sequence = Some(sequence);
        // CTA-708-E, 6.2: blocks of a service number and a size, the number 7 saying that another byte has it.
        while let Some((head, after)) = rest.split_first() {
            let (mut number, size) = (head >> 5, usize::from(head & 0x1f));
            rest = after;
            if number == 7 && size > 0 {
                let Some((extended, after)) = rest.split_first() else { break };
                number = extended & 0x3f;
                rest = after;
                // It would be a number that needs no extension: nothing that follows can be trusted.
                if number < 7 {
                    break;
                }
            }
            // A null block is the last one.
            if number == 0 {
                break;
            }
            let Some((block, after)) = rest.split_at_checked(size) else { break };
            rest = after;
            if size > 0 {
                self.services.entry(number).or_default().push(now, block);
            }
        }
        self.packet = packet;
        self.packet.clear();
    }

    /// Ends delays whose time has come, and erases what nobody has spoken of for so long.
    pub fn tick(&mut self, now: MediaTime, silence: Duration) {
        let silent = now.since(self.heard) >= silence;
        for service in self.services.values_mut() {
            service.run(now);
            if silent {
                service.reset();
            }
        }
    }

    pub fn effects(&mut self) -> Vec<(Service, Effect)> {
        let effects = self.services.iter_mut();
        let effects = effects.map(|(number, its)| (Service::Dtvcc(*number), std::mem::take(&mut its.effect)));
        effects.filter(|(_, effect)| *effect != Effect::None).collect()
    }

    pub fn shown(&self, number: u8) -> Vec<Text> {
        let windows = self.services.get(&number).into_iter().flat_map(|service| service.windows.iter().flatten());
        windows.filter(|window| window.visible).flat_map(|window| window.texts(self.aspect)).collect()
    }
}

/// A service: its windows, and its codes that wait.
#[derive(Debug, Default)]
struct Screens {
    windows: [Option<Window>; 8],
    current: Option<usize>,
    /// The beginning of a code whose rest is still to come.
    part: Vec<u8>,
    waiting: VecDeque<Code>,
    waiting_bytes: usize,
    delayed_to: Option<MediaTime>,
    effect: Effect,
}

impl Screens {
    fn push(&mut self, now: MediaTime, block: &[u8]) {
        let mut bytes = std::mem::take(&mut self.part);
        bytes.extend_from_slice(block);
        let mut rest = &bytes[..];
        while let Some((code, length)) = codes::next(rest) {
            rest = &rest[length..];
            match code {
                // These two are obeyed when they come, not in their turn: that is what they are for (CTA-708-E, 8.10.5).
                Code::DelayCancel => self.delayed_to = None,
                Code::Reset => self.reset(),
                code => {
                    self.waiting.push_back(code);
                    self.waiting_bytes += length;
                }
            }
            if self.waiting_bytes >= MAX_WAITING {
                self.delayed_to = None;
            }
            self.run(now);
        }
        self.part = rest.to_vec();
    }

    /// Obeys what waits, up to the next delay.
    fn run(&mut self, now: MediaTime) {
        if self.delayed_to.is_some_and(|to| now < to) {
            return;
        }
        self.delayed_to = None;
        while let Some(code) = self.waiting.pop_front() {
            if let Code::Delay(tenths) = code {
                self.delayed_to = Some(now + Duration::from_millis(u64::from(tenths) * 100));
                // What waits already stays in the count, so that a chain of delays is bounded, too.
                if self.waiting.is_empty() {
                    self.waiting_bytes = 0;
                }
                return;
            }
            self.obey(&code);
        }
        self.waiting_bytes = 0;
    }

    /// As if nothing had ever been said (CTA-708-E).
    fn reset(&mut self) {
        if self.windows.iter().flatten().any(|window| window.visible && !window.is_empty()) {
            self.effect = Effect::Changed;
        }
        *self = Self { effect: self.effect, ..Self::default() };
    }

    fn obey(&mut self, code: &Code) {
        let current = match code {
            Code::SetCurrentWindow0 => 0,
            Code::SetCurrentWindow1 => 1,
            Code::SetCurrentWindow2 => 2,
            Code::SetCurrentWindow3 => 3,
            Code::SetCurrentWindow4 => 4,
            Code::SetCurrentWindow5 => 5,
            Code::SetCurrentWindow6 => 6,
            Code::SetCurrentWindow7 => 7,
            Code::DefineWindow(args) => {
                let at = usize::from(args.window_id & 7);
                match &mut self.windows[at] {
                    Some(window) => window.redefine(*args),
                    window => *window = Some(Window::new(*args)),
                }
                self.current = Some(at);
                self.effect = Effect::Changed;
                return;
            }
            Code::ClearWindows(which) => return self.each(*which, |window| window.iter_mut().for_each(Window::clear)),
            Code::DisplayWindows(which) => return self.show(*which, |_| true),
            Code::HideWindows(which) => return self.show(*which, |_| false),
            Code::ToggleWindows(which) => return self.show(*which, |visible| !visible),
            Code::DeleteWindows(which) => return self.each(*which, |window| *window = None),
            code => return self.obey_in_window(code),
        };
        // A window that is not there cannot be written to.
        if self.windows[current].is_some() {
            self.current = Some(current);
        }
    }

    fn obey_in_window(&mut self, code: &Code) {
        let Some(window) = self.current.and_then(|current| self.windows.get_mut(current)?.as_mut()) else { return };
        let did = match code {
            Code::SetWindowAttributes(args) => {
                window.set_attributes(*args);
                Did::Line
            }
            Code::SetPenAttributes(args) => {
                window.set_pen(*args);
                Did::Nothing
            }
            Code::SetPenColor(args) => {
                window.set_colour(*args);
                Did::Nothing
            }
            Code::SetPenLocation(args) => {
                window.set_location(*args);
                Did::Nothing
            }
            Code::FF => {
                window.form_feed();
                if window.visible {
                    self.effect = Effect::Changed;
                }
                return;
            }
            Code::CR => window.carriage_return(),
            Code::HCR => window.horizontal_return(),
            Code::BS => window.backspace(),
            code => codes::char_of(code).map_or(Did::Nothing, |char| window.char(char)),
        };
        if window.visible {
            self.effect = self.effect.max(match did {
                Did::Nothing => Effect::None,
                Did::Text => Effect::Grew,
                Did::Line => Effect::Line,
            });
        }
    }

    fn each(&mut self, which: WindowBits, with: impl Fn(&mut Option<Window>)) {
        let bits = u8::from(which);
        for (at, window) in self.windows.iter_mut().enumerate().filter(|(at, _)| bits >> at & 1 == 1) {
            with(window);
            // The current window was deleted: there is none until one is named (CTA-708-E, 8.10.5).
            if window.is_none() && self.current == Some(at) {
                self.current = None;
            }
        }
        self.effect = Effect::Changed;
    }

    fn show(&mut self, which: WindowBits, to: impl Fn(bool) -> bool) {
        self.each(which, |window| window.iter_mut().for_each(|window| window.visible = to(window.visible)));
    }
}
