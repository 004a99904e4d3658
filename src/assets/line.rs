//! Who may have something drawn now: two at once, one a tenant, the others in line. So a tenant that sends what takes long waits for itself, and threads that
//! block are as few as places.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AssetError;

/// Drawn at once.
const PLACES: usize = 2;

/// See the module.
pub struct Line {
    places: Arc<Semaphore>,
    tenants: Arc<Mutex<Tenants>>,
    /// Of a tenant, who is drawn included.
    most: usize,
}

/// One place each, and how many want it.
type Tenants = HashMap<String, (Arc<Semaphore>, usize)>;

/// Leaves the line when it goes out of scope.
struct InLine {
    tenants: Arc<Mutex<Tenants>>,
    tenant: String,
}

impl Drop for InLine {
    fn drop(&mut self) {
        let mut tenants = self.tenants.lock();
        if let Some((_, count)) = tenants.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                tenants.remove(&self.tenant);
            }
        }
    }
}

/// A place, until it goes out of scope.
pub struct Place {
    _permits: [OwnedSemaphorePermit; 2],
    _in_line: InLine,
}

impl Line {
    pub(super) fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), tenants: Arc::default(), most }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// [`AssetError::Busy`] where too many of the tenant wait.
    pub async fn place(&self, tenant: &str) -> Result<Place, AssetError> {
        let own = {
            let mut tenants = self.tenants.lock();
            let (own, count) = tenants.entry(tenant.to_owned()).or_insert_with(|| (Arc::new(Semaphore::new(1)), 0));
            if *count >= self.most {
                return Err(AssetError::Busy);
            }
            *count += 1;
            own.clone()
        };
        let in_line = InLine { tenants: self.tenants.clone(), tenant: tenant.to_owned() };
        // Nobody closes them.
        let own = own.acquire_owned().await.map_err(|_| AssetError::Busy)?;
        let place = self.places.clone().acquire_owned().await.map_err(|_| AssetError::Busy)?;
        Ok(Place { _permits: [own, place], _in_line: in_line })
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_tenant_waits_for_itself_and_who_comes_to_a_full_line_is_sent_away() {
        let line = Line::new(3);
        let Poll::Ready(Ok(first)) = poll(pin!(line.place("acme"))) else { panic!("the line is empty") };
        let mut second = Box::pin(line.place("acme"));
        let mut third = Box::pin(line.place("acme"));
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        assert!(matches!(poll(pin!(line.place("acme"))), Poll::Ready(Err(AssetError::Busy))));
        // Another has the second place, and a third one waits for either.
        let Poll::Ready(Ok(other)) = poll(pin!(line.place("other"))) else { panic!("one place is free") };
        let mut late = Box::pin(line.place("late"));
        assert!(poll(late.as_mut()).is_pending());
        drop(other);
        assert!(matches!(poll(late.as_mut()), Poll::Ready(Ok(_))));
        // Who leaves the line makes room in it, and is not waited for.
        drop(second);
        drop(first);
        assert!(matches!(poll(third.as_mut()), Poll::Ready(Ok(_))));
        assert!(line.tenants.lock().is_empty(), "nothing is kept of who is gone");
    }
}
