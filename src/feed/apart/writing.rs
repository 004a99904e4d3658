//! Writing to a child: one that does not read is stuck, since it promised to, unless it is given no processor.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::given::{Given, Lately};

/// How often it is looked why a child does not read.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(1);
/// One that was given no processor: begun anew it would have none either. Nobody else can tell it anything meanwhile.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);

/// A pipe is written to by [`Writing`].
pub(super) fn prepare(pipe: &UnixStream) -> io::Result<()> {
    pipe.set_write_timeout(Some(LOOK_EVERY))
}

/// Writes one message to the child with this id.
pub(super) struct Writing<'a> {
    to: &'a mut UnixStream,
    given: &'a dyn Fn() -> Option<Given>,
    begun: Instant,
    lately: Lately,
}

impl<'a> Writing<'a> {
    pub fn new(to: &'a mut UnixStream, given: &'a dyn Fn() -> Option<Given>) -> Self {
        Self { to, given, begun: Instant::now(), lately: Lately::default() }
    }

    fn waits(&mut self) -> bool {
        let age = self.begun.elapsed();
        // Where it is gone, or nothing is known of it, it is as good as stuck.
        if let Some(given) = (self.given)() {
            self.lately.look(age, given);
        }
        age < if self.lately.is_short() { SHORT_PATIENCE } else { PATIENCE }
    }
}

impl Write for Writing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.to.write(bytes) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) && self.waits() => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// More than a pipe holds, to somebody who begins to read after `reads_after`.
    fn written(given: &dyn Fn() -> Option<Given>, reads_after: Duration) -> io::Result<()> {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        prepare(&ours).unwrap();
        let bytes = vec![7; 4 << 20];
        let length = bytes.len();
        let reader = std::thread::spawn(move || {
            std::thread::sleep(reads_after);
            let mut read = Vec::new();
            theirs.read_to_end(&mut read).unwrap();
            read.len()
        });
        let result = Writing::new(&mut ours, given).write_all(&bytes);
        drop(ours);
        let read = reader.join().unwrap();
        assert!(result.is_err() || read == length, "nothing is lost on the way");
        result
    }

    #[test]
    fn who_has_no_processor_is_waited_for_and_who_is_stuck_is_not() {
        let after = Duration::from_millis(2000);
        let ready = || Some(Given::ready());
        let (starved, stuck, gone) = std::thread::scope(|scope| {
            let starved = scope.spawn(|| written(&ready, after));
            let stuck = scope.spawn(|| written(&|| Some(Given::default()), after));
            let gone = scope.spawn(|| written(&|| None, after));
            (starved.join().unwrap(), stuck.join().unwrap(), gone.join().unwrap())
        });
        starved.unwrap();
        for result in [stuck, gone] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    }
}
