//! The child's side of the memory that it shares with its parent: which place is whose, and decoders that write there.
//!
//! A [`Pool`] is offered to whatever makes the pictures that arrive at the end of a pipeline. Decoders that take it write straight into the memory, and
//! read there what they refer to. What comes from elsewhere is copied, once.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use gstreamer as gst;
use gstreamer::glib;
use parking_lot::Mutex;
use rustix::mm::ProtFlags;

use super::shared::{MOST_LENT, Map, PLACE_BYTES, PLACES};
use crate::frame::Picture;

/// Places begin at addresses of which no two have their last bits in common: a decoder reads from three or four pictures what lies at one spot of them
/// all, and finds it in caches that go by those bits.
const STAGGER: usize = 3 * 4096 + 3 * 64;
/// What a picture may have of its place.
const ROOM: usize = PLACE_BYTES - PLACES * STAGGER;
/// Places that no decoder gets: what is copied needs some, as many as are lent and on their way at most.
const RESERVED: usize = MOST_LENT + 8;

/// The places of a child.
pub struct Places {
    map: Map,
    free: Mutex<Vec<usize>>,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    /// Pictures that were shown.
    count: u64,
    /// Those that the parent has not given back.
    kept: HashMap<u64, Kept>,
}

/// What keeps a picture's place from being used for another.
enum Kept {
    AsItCame { _picture: Picture },
    Copied { _place: Place },
}

/// Where the planes of a picture lie, and the bytes from one row to the next.
pub type Planes = [(u64, u32); 3];

impl Places {
    /// # Errors
    /// The memory cannot be mapped.
    pub fn new(memory: &OwnedFd) -> io::Result<Arc<Self>> {
        let map = Map::new(memory.as_fd(), ProtFlags::READ | ProtFlags::WRITE)?;
        Ok(Arc::new(Self { map, free: Mutex::new((0..PLACES).rev().collect()), shown: Mutex::default() }))
    }

    fn take(self: &Arc<Self>, spared: usize) -> Option<Place> {
        let mut free = self.free.lock();
        let index = if free.len() > spared { free.pop() } else { None }?;
        Some(Place { index, places: Arc::clone(self) })
    }

    /// Puts a picture where the parent sees it, if it is not there already, and keeps it until the parent gives it back; returns its number and where it lies.
    ///
    /// # Errors
    /// It is larger than a place, or there is none.
    pub fn show(self: &Arc<Self>, picture: &Picture) -> io::Result<(u64, Planes)> {
        let there = [0, 1, 2].map(|plane| self.map.place_of(picture.plane(plane)));
        let (planes, kept) = if let [Some(luma), Some(u), Some(v)] = there {
            let planes = [luma, u, v].map(|at| at as u64);
            let strides = picture.strides.map(|stride| u32::try_from(stride).unwrap_or(u32::MAX));
            ([0, 1, 2].map(|plane| (planes[plane], strides[plane])), Kept::AsItCame { _picture: picture.clone() })
        } else {
            let mut place = self.take(0).ok_or_else(|| io::Error::other("no place is left for its pictures"))?;
            (place.fill(picture)?, Kept::Copied { _place: place })
        };
        let mut shown = self.shown.lock();
        let number = shown.count;
        shown.count += 1;
        shown.kept.insert(number, kept);
        Ok((number, planes))
    }

    /// The parent has these no more.
    pub fn returned(&self, numbers: &[u64]) {
        let returned: Vec<_> = {
            let mut shown = self.shown.lock();
            numbers.iter().filter_map(|number| shown.kept.remove(number)).collect()
        };
        // Without the lock: what frees a picture may take another.
        drop(returned);
    }

    /// Memory for decoders.
    pub fn pool(self: &Arc<Self>) -> gst::BufferPool {
        let pool: Pool = glib::Object::new();
        pool.set_places(Arc::clone(self));
        glib::object::Cast::upcast(pool)
    }
}

/// One of the places, and nobody else's.
pub struct Place {
    index: usize,
    places: Arc<Places>,
}

impl Place {
    fn start(&self) -> usize {
        self.index * (PLACE_BYTES + STAGGER)
    }

    /// Copies a picture here, tightly packed; returns where its planes lie.
    fn fill(&mut self, picture: &Picture) -> io::Result<Planes> {
        let start = self.start() as u64;
        let (mut filled, mut planes) = (0, [(0, 0); 3]);
        let bytes = self.as_mut();
        for (plane, lies) in planes.iter_mut().enumerate() {
            let (width, rows) = (picture.row_bytes(plane), picture.plane_size(plane).1);
            let Some(room) = bytes.get_mut(filled..filled + width * rows) else {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a picture of more than 30 MiB"));
            };
            // Asked for once: what a decoder made finds its planes by their format.
            let (samples, stride) = (picture.plane(plane), picture.strides[plane]);
            for (row, into) in samples.chunks(stride).zip(room.chunks_exact_mut(width)) {
                into.copy_from_slice(&row[..width]);
            }
            *lies = (start + filled as u64, width as u32);
            filled += width * rows;
        }
        Ok(planes)
    }
}

impl AsMut<[u8]> for Place {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: within the mapping, which `places` holds, and of nobody else: there is one `Place` of an index at a time. The parent reads only.
        unsafe { std::slice::from_raw_parts_mut(self.places.map.at(self.start()), ROOM) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.free.lock().push(self.index);
    }
}

glib::wrapper! {
    /// Buffers that lie in places, as long as there are any.
    pub struct Pool(ObjectSubclass<imp::Pool>) @extends gst::BufferPool, gst::Object;
}

impl Pool {
    fn set_places(&self, places: Arc<Places>) {
        use glib::subclass::prelude::ObjectSubclassIsExt as _;
        *self.imp().places.lock() = Some(places);
    }
}

mod imp {
    use std::sync::Arc;

    use gstreamer as gst;
    use gstreamer::glib;
    use gstreamer::subclass::prelude::*;
    use gstreamer_video::{VideoBufferPoolConfig as _, VideoFrameFlags, VideoInfo, VideoMeta};
    use parking_lot::Mutex;

    use super::super::unlocked::map_without_lock;
    use super::{Places, RESERVED, ROOM};

    #[derive(Default)]
    pub struct Pool {
        pub places: Mutex<Option<Arc<Places>>>,
        layout: Mutex<Option<VideoInfo>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Pool {
        const NAME: &'static str = "QuadrillePlaces";
        type Type = super::Pool;
        type ParentType = gst::BufferPool;
    }

    impl ObjectImpl for Pool {}
    impl GstObjectImpl for Pool {}

    impl BufferPoolImpl for Pool {
        fn options() -> &'static [&'static str] {
            &["GstBufferPoolOptionVideoMeta", "GstBufferPoolOptionVideoAlignment"]
        }

        fn set_config(&self, config: &mut gst::BufferPoolConfigRef) -> bool {
            let Some((Some(caps), _, min, max)) = config.params() else { return false };
            let Ok(mut info) = VideoInfo::from_caps(&caps) else { return false };
            // What decoders want around a picture.
            if config.has_option("GstBufferPoolOptionVideoAlignment")
                && let Some(mut alignment) = config.video_alignment()
            {
                if info.align(&mut alignment).is_err() {
                    return false;
                }
                config.set_video_alignment(&alignment);
            }
            let Ok(size) = u32::try_from(info.size()) else { return false };
            config.set_params(Some(&caps), size, min, max);
            *self.layout.lock() = Some(info);
            self.parent_set_config(config)
        }

        fn alloc_buffer(&self, _: Option<&gst::BufferPoolAcquireParams>) -> Result<gst::Buffer, gst::FlowError> {
            let info = self.layout.lock().clone().ok_or(gst::FlowError::NotNegotiated)?;
            let size = info.size();
            let places = self.places.lock().clone();
            let place = places.filter(|_| size <= ROOM).and_then(|places| places.take(RESERVED));
            let has_place = place.is_some();
            let mut buffer = match place {
                Some(place) => {
                    let mut buffer = gst::Buffer::new();
                    let its = buffer.get_mut().ok_or(gst::FlowError::Error)?;
                    its.append_memory(gst::Memory::from_mut_slice(place));
                    its.set_size(size);
                    buffer
                }
                // It is copied then.
                None => gst::Buffer::with_size(size).map_err(|_| gst::FlowError::Error)?,
            };
            let planes = info.n_planes() as usize;
            let (offsets, strides) = (&info.offset()[..planes], &info.stride()[..planes]);
            let its = buffer.get_mut().ok_or(gst::FlowError::Error)?;
            let (width, height) = (info.width(), info.height());
            let meta =
                VideoMeta::add_full(its, VideoFrameFlags::empty(), info.format(), width, height, offsets, strides)
                    .map_err(|_| gst::FlowError::Error)?;
            if has_place {
                map_without_lock(meta);
            }
            Ok(buffer)
        }
    }
}
