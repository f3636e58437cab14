//! Mapped files that become shorter: the signal that would end the process becomes an error.
//!
//! Touching a mapped page behind the end of its file raises SIGBUS. A handler, which only a host installs that asks for it, puts zeros in the
//! place of such pages of our maps and notes where; whoever reads the map goes on, and [`ReadAt::intact`](super::ReadAt::intact) then says that the
//! file cannot be relied on. A SIGBUS of anything else ends the process as it did before.

use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Maps that are guarded at one time; more files are read by position.
const SLOTS: usize = 64;
/// No page of the map was missing.
const WHOLE: u64 = u64::MAX;

/// A map that is guarded.
struct Slot {
    taken: AtomicBool,
    start: AtomicUsize,
    len: AtomicUsize,
    /// The first offset that was missing.
    missing: AtomicU64,
}

static MAPS: [Slot; SLOTS] = [const {
    Slot { taken: AtomicBool::new(false), start: AtomicUsize::new(0), len: AtomicUsize::new(0), missing: AtomicU64::new(WHOLE) }
}; SLOTS];
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// The guard of one map, for as long as it lives.
#[derive(Debug)]
pub(super) struct Guard(Option<usize>);

impl Guard {
    /// Guards a map, where the handler is installed. `None` where too many are guarded.
    pub(super) fn new(map: &[u8]) -> Option<Self> {
        if !INSTALLED.load(Ordering::Acquire) {
            return Some(Self(None));
        }
        let n = MAPS.iter().position(|slot| !slot.taken.swap(true, Ordering::AcqRel))?;
        let slot = MAPS.get(n)?;
        slot.missing.store(WHOLE, Ordering::Release);
        slot.start.store(map.as_ptr().expose_provenance(), Ordering::Release);
        slot.len.store(map.len(), Ordering::Release);
        Some(Self(Some(n)))
    }

    /// The first offset that was missing when it was touched.
    pub(super) fn missing(&self) -> Option<u64> {
        let slot = self.0.and_then(|n| MAPS.get(n))?;
        Some(slot.missing.load(Ordering::Acquire)).filter(|at| *at != WHOLE)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(slot) = self.0.and_then(|n| MAPS.get(n)) {
            slot.len.store(0, Ordering::Release);
            slot.start.store(0, Ordering::Release);
            slot.taken.store(false, Ordering::Release);
        }
    }
}

/// Lets the process survive that a mapped file becomes shorter, or that a mapped page cannot be read, while it is read: installs a handler of
/// SIGBUS for the whole process. The library never does that by itself. A signal that no map of this crate has raised is left to the handler
/// that was there before. Without this function such a file ends the process; [`OpenOptions::map`](crate::OpenOptions::map) turns maps off.
///
/// ```
/// pstkit::io::survive_shrinking_files()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Where the system does not take the handler.
#[cfg(unix)]
pub fn survive_shrinking_files() -> io::Result<()> {
    static ONCE: Once = Once::new();
    let mut done = Ok(());
    ONCE.call_once(|| done = handler::install());
    done
}

/// Lets the process survive that a mapped file becomes shorter: nothing has to be done here, such a file cannot become so.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn survive_shrinking_files() -> io::Result<()> {
    let _: (Option<Once>, fn() -> bool) = (None, || INSTALLED.load(Ordering::Relaxed));
    Ok(())
}

#[cfg(unix)]
mod handler {
    #![expect(unsafe_code, reason = "a signal handler, and new pages under a map, are unsafe by their nature")]
    use super::{INSTALLED, MAPS};
    use std::io;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The handler that was there before.
    static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();
    static PAGE: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn install() -> io::Result<()> {
        // SAFETY: plain calls of the system with values that live as long as the calls; the handler only does what a handler may: it
        // reads atomics and calls mmap and sigaction.
        unsafe {
            let page = libc::sysconf(libc::_SC_PAGESIZE);
            PAGE.store(usize::try_from(page).unwrap_or(0), Ordering::Release);
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut before: libc::sigaction = std::mem::zeroed();
            let run: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
            action.sa_sigaction = run as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
            libc::sigemptyset(&raw mut action.sa_mask);
            if libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut before) != 0 {
                return Err(io::Error::last_os_error());
            }
            let _ = BEFORE.set(before);
            INSTALLED.store(true, Ordering::Release);
            if libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) != 0 {
                INSTALLED.store(false, Ordering::Release);
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }

    extern "C" fn on_signal(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the system gives a valid `info`.
        let at = unsafe { (*info).si_addr() }.addr();
        if !put_zeros(at) {
            // the instruction runs again, and the signal goes where it went before
            // SAFETY: a plain call with a value that lives for ever.
            unsafe {
                match BEFORE.get() {
                    Some(before) => libc::sigaction(libc::SIGBUS, std::ptr::from_ref(before), std::ptr::null_mut()),
                    None => 0,
                };
            }
        }
    }

    /// Puts zeros in the place of the page at an address; `false` where it is none of ours.
    fn put_zeros(at: usize) -> bool {
        let page = PAGE.load(Ordering::Acquire);
        for slot in &MAPS {
            let (start, len) = (slot.start.load(Ordering::Acquire), slot.len.load(Ordering::Acquire));
            let Some(within) = at.checked_sub(start).filter(|n| *n < len) else { continue };
            let Some(first) = within.checked_div(page).map(|n| n.saturating_mul(page)) else { return false };
            // SAFETY: the range lies within a map of ours, begins at a page, and is only ever read.
            let made = unsafe {
                libc::mmap(
                    std::ptr::with_exposed_provenance_mut(start.saturating_add(first)),
                    page,
                    libc::PROT_READ,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                    -1,
                    0,
                )
            };
            slot.missing.fetch_min(u64::try_from(first).unwrap_or(u64::MAX), Ordering::AcqRel);
            return made != libc::MAP_FAILED;
        }
        false
    }
}
