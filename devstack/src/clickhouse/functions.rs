//! libchdb: the functions of ClickHouse's engine that we call, with their signatures.
//!
//! The library is loaded at run time and never unloaded, for its threads go on until the process ends. Whoever calls a
//! function keeps to what the header of the pinned version asks for.

use std::{
    ffi::{CStr, c_char, c_double, c_int, c_void},
    path::Path,
};

use anyhow::{Context as _, Result};
use libloading::Library;

pub(super) type Handle = *mut c_void;
type Names = *const *const c_char;
type Lengths = *const usize;
/// connection, query, its length, format, its length, then parameters: names, lengths, values, lengths, count
pub(super) type Start = unsafe extern "C" fn(
    Handle,
    *const c_char,
    usize,
    *const c_char,
    usize,
    Names,
    Lengths,
    Names,
    Lengths,
    usize,
) -> Handle;
pub(super) type Count = unsafe extern "C" fn(Handle) -> u64;

/// The library's functions, with the signatures of its header `chdb.h` (version 26.7).
pub(super) struct Functions {
    pub(super) connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut Handle,
    pub(super) close: unsafe extern "C" fn(*mut Handle),
    pub(super) query: Start,
    pub(super) stream_query: Start,
    pub(super) stream_fetch: unsafe extern "C" fn(Handle, Handle) -> Handle,
    pub(super) stream_cancel: unsafe extern "C" fn(Handle, Handle),
    pub(super) insert: Start,
    pub(super) insert_append: unsafe extern "C" fn(Handle, *const c_void, usize) -> c_int,
    pub(super) insert_done: unsafe extern "C" fn(Handle) -> Handle,
    pub(super) insert_error: unsafe extern "C" fn(Handle) -> *const c_char,
    pub(super) insert_destroy: unsafe extern "C" fn(Handle),
    pub(super) result_buffer: unsafe extern "C" fn(Handle) -> *const u8,
    pub(super) result_length: unsafe extern "C" fn(Handle) -> usize,
    pub(super) result_error: unsafe extern "C" fn(Handle) -> *const c_char,
    pub(super) result_elapsed: unsafe extern "C" fn(Handle) -> c_double,
    pub(super) result_rows: Count,
    pub(super) result_read_rows: Count,
    pub(super) result_read_bytes: Count,
    pub(super) result_written_rows: Count,
    pub(super) result_written_bytes: Count,
    pub(super) result_destroy: unsafe extern "C" fn(Handle),
}

impl Functions {
    #[allow(unsafe_code, reason = "a symbol has the type that its header says, which only we can assert")]
    /// Loads the library.
    ///
    /// # Errors
    /// If it cannot be loaded or lacks one of the functions.
    pub(super) fn load(path: &Path) -> Result<Functions> {
        // SAFETY: the file is the pinned library; its initialisers start no thread and touch only its own state.
        let library = unsafe { Library::new(path) };
        let library =
            Box::leak(Box::new(library.with_context(|| format!("cannot load {}", path.display()))?));
        macro_rules! symbol {
            ($name:literal) => {
                // SAFETY: the field that takes the symbol has the signature of the header of the pinned version, and the
                // library stays loaded for good.
                *unsafe { library.get($name) }.context("libchdb lacks a function")?
            };
        }
        let signals: unsafe extern "C" fn(c_int) = symbol!(b"chdb_set_signal_handlers_enabled\0");
        // SAFETY: takes a number; no connection is open yet, as its header asks. Signals are ours to handle.
        unsafe { signals(0) };
        Ok(Functions {
            connect: symbol!(b"chdb_connect\0"),
            close: symbol!(b"chdb_close_conn\0"),
            query: symbol!(b"chdb_query_with_params_n\0"),
            stream_query: symbol!(b"chdb_stream_query_with_params_n\0"),
            stream_fetch: symbol!(b"chdb_stream_fetch_result\0"),
            stream_cancel: symbol!(b"chdb_stream_cancel_query\0"),
            insert: symbol!(b"chdb_stream_insert_with_params_n\0"),
            insert_append: symbol!(b"chdb_stream_append\0"),
            insert_done: symbol!(b"chdb_stream_done\0"),
            insert_error: symbol!(b"chdb_stream_insert_error\0"),
            insert_destroy: symbol!(b"chdb_destroy_insert_stream\0"),
            result_buffer: symbol!(b"chdb_result_buffer\0"),
            result_length: symbol!(b"chdb_result_length\0"),
            result_error: symbol!(b"chdb_result_error\0"),
            result_elapsed: symbol!(b"chdb_result_elapsed\0"),
            result_rows: symbol!(b"chdb_result_rows_read\0"),
            result_read_rows: symbol!(b"chdb_result_storage_rows_read\0"),
            result_read_bytes: symbol!(b"chdb_result_storage_bytes_read\0"),
            result_written_rows: symbol!(b"chdb_result_rows_written\0"),
            result_written_bytes: symbol!(b"chdb_result_bytes_written\0"),
            result_destroy: symbol!(b"chdb_destroy_query_result\0"),
        })
    }
}

/// A text of the library, copied; none for null.
#[allow(unsafe_code, reason = "the library gives texts as C strings")]
pub(super) fn text(pointer: *const c_char) -> Option<String> {
    // SAFETY: not null, and the library's texts end in zero and live as long as the handle they came from.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}
