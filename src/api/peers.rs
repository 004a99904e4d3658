//! How many connections each address has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::Mutex;

/// Connections by address, those of IPv6 by the network of 64 bits that a household has.
pub(super) struct Peers {
    most: usize,
    /// Whose connections do not count: many clients' come from there.
    exempt: Arc<[IpNet]>,
    open: Mutex<HashMap<IpAddr, usize>>,
}

impl Peers {
    pub fn new(most: usize, exempt: Arc<[IpNet]>) -> Arc<Self> {
        Arc::new(Self { most, exempt, open: Mutex::default() })
    }

    /// One more of `address`; `None` where it has as many as it may.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Entered> {
        let address = address.to_canonical();
        if self.exempt.iter().any(|net| net.contains(&address)) {
            return Some(Entered { peers: self.clone(), counted: None });
        }
        let counted = counted(address);
        let mut open = self.open.lock();
        let count = open.entry(counted).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Entered { peers: self.clone(), counted: Some(counted) })
    }
}

fn counted(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// A connection that counts until this is dropped.
pub(super) struct Entered {
    peers: Arc<Peers>,
    counted: Option<IpAddr>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Some(counted) = self.counted else { return };
        let mut open = self.peers.open.lock();
        if let Some(count) = open.get_mut(&counted) {
            *count -= 1;
            // Kept for nobody who is gone: addresses are as many as there are networks of IPv6.
            if *count == 0 {
                open.remove(&counted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_another_its_own() {
        let peers = Peers::new(2, ["10.0.0.0/8".parse().unwrap()].into());
        let enter = |text: &str| peers.enter(text.parse().unwrap());
        let first = enter("192.0.2.1").unwrap();
        let _second = enter("::ffff:192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
        let _other = enter("192.0.2.2").unwrap();
        drop(first);
        assert!(enter("192.0.2.1").is_some());
        let _proxied: Vec<_> = (0..9).map(|_| enter("10.1.2.3").unwrap()).collect();
        let _household: Vec<_> = ["2001:db8::1", "2001:db8::2:3"].map(|a| enter(a).unwrap()).into();
        assert!(enter("2001:db8::4").is_none());
        assert!(enter("2001:db8:0:1::4").is_some());
    }

    #[test]
    fn nothing_is_kept_of_who_is_gone() {
        let peers = Peers::new(1, [].into());
        for n in 0..100_u8 {
            assert!(peers.enter([192, 0, 2, n].into()).is_some());
        }
        assert!(peers.open.lock().is_empty());
    }
}
