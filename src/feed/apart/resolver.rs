//! Names in a network of a process's own: each is this process's. What calls a server by its name then tells the name to the server,
//! and calls whoever listens here.

use std::ffi::{c_char, c_uint};
use std::mem::size_of;
use std::ptr;
use std::sync::Once;

use gio_sys::{
    GAsyncReadyCallback, GAsyncResult, GCancellable, GResolver, GResolverClass, GResolverNameLookupFlags, GTask,
};
use gstreamer::glib::ffi::{GError, GList, g_list_append, gpointer};
use gstreamer::glib::gobject_ffi::{self, GObject};

/// From now on this process finds every name in its own network.
pub fn find_all_here() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: a class of GIO's with three of its functions replaced; the resolver that is made of it is GIO's to keep.
        unsafe {
            let class = gobject_ffi::g_type_register_static_simple(
                gio_sys::g_resolver_get_type(),
                c"QuadrilleOwnResolver".as_ptr(),
                size_of::<GResolverClass>() as c_uint,
                Some(init),
                size_of::<GResolver>() as c_uint,
                None,
                0,
            );
            let made = gobject_ffi::g_object_new(class, ptr::null());
            gio_sys::g_resolver_set_default(made.cast());
            gobject_ffi::g_object_unref(made);
        }
    });
}

/// # Safety
/// GObject's: `class` is the one that was registered.
unsafe extern "C" fn init(class: gpointer, _data: gpointer) {
    let class = class.cast::<GResolverClass>();
    // SAFETY: it is as large as was said when it was registered.
    let class = unsafe { &mut *class };
    class.lookup_by_name = Some(find);
    class.lookup_by_name_async = Some(begin);
    class.lookup_by_name_finish = Some(finish);
    class.lookup_by_name_with_flags = Some(find_of_kind);
    class.lookup_by_name_with_flags_async = Some(begin_of_kind);
    class.lookup_by_name_with_flags_finish = Some(finish);
}

/// # Safety
/// None is asked: a list of GIO's own.
unsafe fn here() -> *mut GList {
    // SAFETY: the list has the address, and whoever takes it frees both.
    unsafe {
        let address = gio_sys::g_inet_address_new_loopback(gio_sys::G_SOCKET_FAMILY_IPV4);
        g_list_append(ptr::null_mut(), address.cast())
    }
}

unsafe extern "C" fn find(
    _this: *mut GResolver,
    _name: *const c_char,
    _cancellable: *mut GCancellable,
    _error: *mut *mut GError,
) -> *mut GList {
    // SAFETY: nothing is asked.
    unsafe { here() }
}

unsafe extern "C" fn find_of_kind(
    _this: *mut GResolver,
    _name: *const c_char,
    _kind: GResolverNameLookupFlags,
    _cancellable: *mut GCancellable,
    _error: *mut *mut GError,
) -> *mut GList {
    // SAFETY: nothing is asked.
    unsafe { here() }
}

unsafe extern "C" fn begin(
    this: *mut GResolver,
    _name: *const c_char,
    cancellable: *mut GCancellable,
    told: GAsyncReadyCallback,
    data: gpointer,
) {
    // SAFETY: what GIO gave is handed on to it; the task has the list, and frees it where nobody takes it.
    unsafe {
        let task = gio_sys::g_task_new(this.cast::<GObject>(), cancellable, told, data);
        gio_sys::g_task_return_pointer(task, here().cast(), Some(free));
        gobject_ffi::g_object_unref(task.cast());
    }
}

unsafe extern "C" fn begin_of_kind(
    this: *mut GResolver,
    name: *const c_char,
    _kind: GResolverNameLookupFlags,
    cancellable: *mut GCancellable,
    told: GAsyncReadyCallback,
    data: gpointer,
) {
    // SAFETY: as there.
    unsafe { begin(this, name, cancellable, told, data) }
}

unsafe extern "C" fn finish(_this: *mut GResolver, result: *mut GAsyncResult, error: *mut *mut GError) -> *mut GList {
    // SAFETY: the result is the task that was begun above.
    unsafe { gio_sys::g_task_propagate_pointer(result.cast::<GTask>(), error).cast() }
}

unsafe extern "C" fn free(list: gpointer) {
    // SAFETY: a list that `here` made.
    unsafe { gio_sys::g_resolver_free_addresses(list.cast()) }
}
