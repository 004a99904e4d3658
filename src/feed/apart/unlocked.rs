//! Planes that are written without a lock on their memory. A decoder keeps the pictures that others refer to mapped for writing, though it writes no more; GStreamer's
//! lock then has whoever hands such a picture on copy it. Most pictures of a stream are such.
//!
//! Whoever maps for writing what nobody else has needs no lock. All other maps are GStreamer's own, and what somebody else has, too, is copied by them
//! before it is written.

use std::sync::OnceLock;

use glib::ffi::{GFALSE, GTRUE, gboolean, gpointer};
use gstreamer as gst;
use gstreamer::ffi::{GST_MAP_WRITE, GstMapFlags, GstMapInfo, GstMemory};
use gstreamer::glib;
use gstreamer_video::VideoMeta;
use gstreamer_video::ffi::GstVideoMeta;

type MapPlane =
    unsafe extern "C" fn(*mut GstVideoMeta, u32, *mut GstMapInfo, *mut gpointer, *mut i32, GstMapFlags) -> gboolean;
type UnmapPlane = unsafe extern "C" fn(*mut GstVideoMeta, u32, *mut GstMapInfo) -> gboolean;

/// GStreamer's own.
static USUAL: OnceLock<(MapPlane, UnmapPlane)> = OnceLock::new();

/// Has planes mapped so of a buffer whose one memory, which stays where it is, is its whole picture.
pub fn map_without_lock(mut meta: gst::MetaRefMut<'_, VideoMeta, gst::meta::Standalone>) {
    let meta = meta.as_mut_ptr();
    // SAFETY: the buffer whose it is is borrowed, for writing.
    let meta = unsafe { &mut *meta };
    if let (Some(map), Some(unmap)) = (meta.map, meta.unmap) {
        USUAL.get_or_init(|| (map, unmap));
        meta.map = Some(map_plane);
        meta.unmap = Some(unmap_plane);
    }
}

unsafe extern "C" fn map_plane(
    meta: *mut GstVideoMeta,
    plane: u32,
    info: *mut GstMapInfo,
    data: *mut gpointer,
    stride: *mut i32,
    flags: GstMapFlags,
) -> gboolean {
    let Some((usual, _)) = USUAL.get() else { return GFALSE };
    // SAFETY: called by gst_video_meta_map with a meta of a buffer, a plane that it has, and places for what is to be told. The meta was made by
    // `map_without_lock`, or is a copy of one that was: the buffer has one memory, or what others made of it, which their map takes.
    unsafe {
        let buffer = (*meta).buffer;
        let is_ours = flags & GST_MAP_WRITE != 0 && gst::ffi::gst_buffer_n_memory(buffer) == 1;
        let memory = if is_ours { gst::ffi::gst_buffer_peek_memory(buffer, 0) } else { std::ptr::null_mut() };
        let start = if memory.is_null() { None } else { start_of(memory) };
        let (Some(start), Some(offset)) = (start, (*meta).offset.get(plane as usize)) else {
            return usual(meta, plane, info, data, stride, flags);
        };
        // No memory in it: how `unmap_plane` knows it.
        *info = std::mem::zeroed();
        (*info).flags = flags;
        (*info).data = start;
        *data = start.add(*offset).cast();
        *stride = (*meta).stride[plane as usize];
    }
    GTRUE
}

unsafe extern "C" fn unmap_plane(meta: *mut GstVideoMeta, plane: u32, info: *mut GstMapInfo) -> gboolean {
    // SAFETY: what was mapped with `map_plane`, and is unmapped once.
    unsafe {
        match USUAL.get() {
            Some((_, usual)) if !(*info).memory.is_null() => usual(meta, plane, info),
            _ => GTRUE,
        }
    }
}

/// Where `memory` begins, if nobody else has it.
///
/// # Safety
/// It is one.
unsafe fn start_of(memory: *mut GstMemory) -> Option<*mut u8> {
    // SAFETY: as the caller says. It stays where it is, mapped or not.
    unsafe {
        if gst::ffi::gst_mini_object_is_writable(memory.cast()) == GFALSE {
            return None;
        }
        let mut info = std::mem::zeroed();
        if gst::ffi::gst_memory_map(memory, &raw mut info, gst::ffi::GST_MAP_READ) == GFALSE {
            return None;
        }
        let start = info.data;
        gst::ffi::gst_memory_unmap(memory, &raw mut info);
        Some(start)
    }
}
