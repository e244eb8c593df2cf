//! ClickHouse's engine in this process: safe hands on the functions of its library.
//!
//! One process has one data folder; a [`Connection`] is a session of its own on it, cheap to open (0.1 ms), with one statement at a time;
//! several work in parallel. All calls block. Knows nothing of HTTP.

use std::{
    ffi::{CString, OsStr, c_char, c_int, c_void},
    marker::PhantomData,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    ptr::NonNull,
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    exception::Exception,
    functions::{Count, Functions, Handle, Start, text},
};

/// The engine on one data folder. Closing its last connection closes the folder, so it holds one open itself.
pub(super) struct Engine {
    functions: Arc<Functions>,
    arguments: Vec<CString>,
    version: String,
    timezone: String,
    _first: Connection,
}

impl Engine {
    /// Loads the library and opens the data folder, which must be nobody else's.
    ///
    /// # Errors
    /// If the library does not load or the folder cannot be opened; the engine writes why to standard error.
    pub(super) fn open(library: &Path, data_dir: &Path) -> Result<Engine> {
        let functions = Arc::new(Functions::load(library)?);
        let path = [OsStr::new("--path="), data_dir.as_os_str()].map(OsStr::as_bytes).concat();
        let arguments =
            vec![c"clickhouse".to_owned(), CString::new(path).context("a folder's name has no zero byte")?];
        let mut first = connect(&functions, &arguments).with_context(|| {
            format!("ClickHouse's engine cannot open {}; it says why above", data_dir.display())
        })?;
        let facts = first.query(b"SELECT version(), serverTimezone()", "TabSeparatedRaw", &[])?;
        let facts = String::from_utf8_lossy(facts.bytes()).into_owned();
        let (version, timezone) =
            facts.trim().split_once('\t').context("the engine does not say its version")?;
        let (version, timezone) = (version.to_owned(), timezone.to_owned());
        Ok(Engine { functions, arguments, version, timezone, _first: first })
    }

    /// ClickHouse's version, as in `26.7.2.1`.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The time zone of times without one, as in `Etc/UTC`.
    pub(super) fn timezone(&self) -> &str {
        &self.timezone
    }

    /// A new session with default settings in the database `default`.
    ///
    /// # Errors
    /// If the engine refuses, which it does not while it is open.
    pub(super) fn connect(&self) -> Result<Connection> {
        connect(&self.functions, &self.arguments).context("ClickHouse's engine opens no connection")
    }
}

#[allow(unsafe_code, reason = "a call into the library")]
fn connect(functions: &Arc<Functions>, arguments: &[CString]) -> Result<Connection> {
    let mut pointers: Vec<*mut c_char> =
        arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
    let count = c_int::try_from(pointers.len()).context("too many arguments")?;
    // SAFETY: `pointers` holds `count` strings that end in zero and outlive the call, which copies what it keeps and
    // writes to none of them.
    let handle = unsafe { (functions.connect)(count, pointers.as_mut_ptr()) };
    ensure!(!handle.is_null(), "connection refused by the engine");
    Ok(Connection { functions: functions.clone(), handle })
}

/// A session: its settings and its database are its own. It runs one statement at a time, hence `&mut`.
pub(super) struct Connection {
    functions: Arc<Functions>,
    handle: *mut Handle,
}

// SAFETY: the library binds a connection to no thread; it only asks that calls on one do not overlap, and every method
// that makes a call takes `&mut self`.
#[allow(unsafe_code, reason = "the handle is a raw pointer, which Rust takes to be bound to its thread")]
unsafe impl Send for Connection {}
// SAFETY: a shared reference to a connection offers no call at all.
#[allow(unsafe_code, reason = "as above")]
unsafe impl Sync for Connection {}

/// A name and a value for a `{name:Type}` in a query.
pub(super) type Parameter = (String, String);

impl Connection {
    /// Runs any statement and gives its whole result.
    ///
    /// # Errors
    /// The engine's exception.
    pub(super) fn query(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &[Parameter],
    ) -> Result<Output, Exception> {
        let handle = self.start(self.functions.query, sql, format, parameters);
        Output::take(&self.functions, handle)
    }

    /// Starts a SELECT whose result is fetched piece by piece.
    ///
    /// # Errors
    /// The engine's exception, also where the statement is none that streams.
    pub(super) fn stream(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &[Parameter],
    ) -> Result<Rows<'_>, Exception> {
        let handle = self.start(self.functions.stream_query, sql, format, parameters);
        let head = Output::take(&self.functions, handle)?;
        Ok(Rows { connection: self, head, ended: false })
    }

    /// Starts an INSERT whose data, in `format`, is appended piece by piece; `sql` names no format and has no data.
    ///
    /// # Errors
    /// The engine's exception.
    pub(super) fn insert(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &[Parameter],
    ) -> Result<Insert<'_>, Exception> {
        let handle = self.start(self.functions.insert, sql, format, parameters);
        let insert = Insert { functions: self.functions.clone(), handle, _connection: PhantomData };
        match insert.error() {
            Some(exception) => Err(exception),
            None => Ok(insert),
        }
    }

    #[allow(unsafe_code, reason = "a call into the library")]
    fn start(&mut self, function: Start, sql: &[u8], format: &str, parameters: &[Parameter]) -> Handle {
        let pointers = |texts: Vec<&str>| -> (Vec<*const c_char>, Vec<usize>) {
            texts.iter().map(|text| (text.as_ptr().cast(), text.len())).unzip()
        };
        let (names, name_lengths) = pointers(parameters.iter().map(|(name, _)| name.as_str()).collect());
        let (values, value_lengths) = pointers(parameters.iter().map(|(_, value)| value.as_str()).collect());
        // SAFETY: `self.handle` points at the open connection. Every pointer goes with its length, the arrays hold
        // `parameters.len()` entries each, and all outlive the call, which copies what it keeps.
        unsafe {
            function(
                *self.handle,
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                names.as_ptr(),
                name_lengths.as_ptr(),
                values.as_ptr(),
                value_lengths.as_ptr(),
                parameters.len(),
            )
        }
    }
}

impl Drop for Connection {
    #[allow(unsafe_code, reason = "a call into the library")]
    fn drop(&mut self) {
        // SAFETY: the handle is open and is closed here only; results and streams borrow the connection or own their
        // memory, so none is left that needs it.
        unsafe { (self.functions.close)(self.handle) };
    }
}

/// A result, or a piece of one; owns its memory.
pub(super) struct Output {
    functions: Arc<Functions>,
    handle: NonNull<c_void>,
}

// SAFETY: the result is memory of its own that no other thread touches.
#[allow(unsafe_code, reason = "the handle is a raw pointer, which Rust takes to be bound to its thread")]
unsafe impl Send for Output {}

impl Output {
    #[allow(unsafe_code, reason = "a call into the library")]
    fn take(functions: &Arc<Functions>, handle: Handle) -> Result<Output, Exception> {
        let handle =
            NonNull::new(handle).ok_or_else(|| Exception::from_engine("the engine gave no result"))?;
        let output = Output { functions: functions.clone(), handle };
        // SAFETY: the handle is a live result.
        match text(unsafe { (functions.result_error)(handle.as_ptr()) }) {
            Some(error) => Err(Exception::from_engine(&error)),
            None => Ok(output),
        }
    }

    /// The result in the asked format.
    #[allow(unsafe_code, reason = "a call into the library")]
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the handle is a live result; buffer and length describe memory that lives and does not change until
        // it is destroyed, which `drop` does, after the borrow. A null buffer means an empty result.
        unsafe {
            let buffer = (self.functions.result_buffer)(self.handle.as_ptr());
            let length = (self.functions.result_length)(self.handle.as_ptr());
            if buffer.is_null() || length == 0 { &[] } else { std::slice::from_raw_parts(buffer, length) }
        }
    }

    /// What it took to make it.
    #[allow(unsafe_code, reason = "a call into the library")]
    pub(super) fn summary(&self) -> Summary {
        // SAFETY: the handle is a live result, and the functions only read it.
        let count = |function: Count| unsafe { function(self.handle.as_ptr()) };
        // SAFETY: as above.
        let elapsed_s = unsafe { (self.functions.result_elapsed)(self.handle.as_ptr()) };
        Summary {
            result_rows: count(self.functions.result_rows),
            result_bytes: self.bytes().len() as u64,
            read_rows: count(self.functions.result_read_rows),
            read_bytes: count(self.functions.result_read_bytes),
            written_rows: count(self.functions.result_written_rows),
            written_bytes: count(self.functions.result_written_bytes),
            elapsed_ns: (elapsed_s * 1e9) as u64,
        }
    }
}

impl Drop for Output {
    #[allow(unsafe_code, reason = "a call into the library")]
    fn drop(&mut self) {
        // SAFETY: the handle is a live result and is destroyed here only.
        unsafe { (self.functions.result_destroy)(self.handle.as_ptr()) };
    }
}

/// What a statement read and wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) result_rows: u64,
    pub(super) result_bytes: u64,
    pub(super) read_rows: u64,
    pub(super) read_bytes: u64,
    pub(super) written_rows: u64,
    pub(super) written_bytes: u64,
    pub(super) elapsed_ns: u64,
}

impl Summary {
    /// Adds a further piece of the same statement.
    pub(super) fn add(&mut self, piece: Summary) {
        self.result_rows += piece.result_rows;
        self.result_bytes += piece.result_bytes;
        self.read_rows += piece.read_rows;
        self.read_bytes += piece.read_bytes;
        self.written_rows += piece.written_rows;
        self.written_bytes += piece.written_bytes;
        self.elapsed_ns = self.elapsed_ns.max(piece.elapsed_ns);
    }
}

/// A SELECT under way; cancelled where it is dropped before its end.
pub(super) struct Rows<'connection> {
    connection: &'connection mut Connection,
    head: Output,
    ended: bool,
}

impl Rows<'_> {
    /// The next piece, formatted as a whole of its own; none at the end.
    ///
    /// # Errors
    /// The engine's exception, which may come after many pieces.
    #[allow(unsafe_code, reason = "a call into the library")]
    pub(super) fn next(&mut self) -> Result<Option<Output>, Exception> {
        if self.ended {
            return Ok(None);
        }
        let functions = &self.connection.functions;
        // SAFETY: the connection is open, the stream is its own and live, and `&mut` keeps calls apart.
        let piece = unsafe { (functions.stream_fetch)(*self.connection.handle, self.head.handle.as_ptr()) };
        let piece = Output::take(functions, piece).inspect_err(|_| self.ended = true)?;
        self.ended = piece.bytes().is_empty();
        Ok((!self.ended).then_some(piece))
    }
}

impl Drop for Rows<'_> {
    #[allow(unsafe_code, reason = "a call into the library")]
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: the connection is open and the stream is its own and live; `head` is destroyed afterwards.
            unsafe {
                (self.connection.functions.stream_cancel)(*self.connection.handle, self.head.handle.as_ptr())
            };
        }
    }
}

/// An INSERT under way; cancelled where it is dropped before [`Insert::finish`].
pub(super) struct Insert<'connection> {
    functions: Arc<Functions>,
    handle: Handle,
    _connection: PhantomData<&'connection mut Connection>,
}

impl Insert<'_> {
    /// Appends data; blocks where the engine is behind. False once the engine has failed: [`Insert::finish`] says why.
    #[allow(unsafe_code, reason = "a call into the library")]
    pub(super) fn append(&mut self, data: &[u8]) -> bool {
        // SAFETY: the handle is a live stream; the data is copied.
        unsafe { (self.functions.insert_append)(self.handle, data.as_ptr().cast(), data.len()) == 0 }
    }

    /// Ends the data and commits it.
    ///
    /// # Errors
    /// The engine's exception; what is not committed is gone.
    #[allow(unsafe_code, reason = "a call into the library")]
    pub(super) fn finish(self) -> Result<Summary, Exception> {
        // SAFETY: the handle is a live stream, ended here and destroyed by `drop`.
        let done = unsafe { (self.functions.insert_done)(self.handle) };
        Output::take(&self.functions, done).map(|output| output.summary())
    }

    #[allow(unsafe_code, reason = "a call into the library")]
    fn error(&self) -> Option<Exception> {
        // SAFETY: the handle is a live stream.
        text(unsafe { (self.functions.insert_error)(self.handle) })
            .map(|error| Exception::from_engine(&error))
    }
}

impl Drop for Insert<'_> {
    #[allow(unsafe_code, reason = "a call into the library")]
    fn drop(&mut self) {
        // SAFETY: the handle is a live stream and is destroyed here only.
        unsafe { (self.functions.insert_destroy)(self.handle) };
    }
}
