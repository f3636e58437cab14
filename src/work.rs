//! Work in pieces, on one thread or several, with the results taken in the order of the pieces.

use crate::error::Result;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// As many threads as the machine runs at once.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs `run` on each piece and hands the results to `take` in the order of the pieces, whatever the number of threads.
///
/// # Errors
/// The first error in that order; pieces that nobody has begun are then left.
pub fn in_order<P: Sync, R: Send>(
    threads: usize,
    pieces: &[P],
    run: &(dyn Fn(&P) -> Result<R> + Sync),
    take: &mut dyn FnMut(R),
) -> Result<()> {
    if threads <= 1 || pieces.len() <= 1 {
        for p in pieces {
            take(run(p)?);
        }
        return Ok(());
    }
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    // Results wait for the ones before them; the bound keeps a slow piece from letting the others run far ahead.
    let (sender, receiver) = mpsc::sync_channel(threads.saturating_mul(2));
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(pieces.len()) {
            let sender = sender.clone();
            let (next, stop, failed) = (&next, &stop, &failed);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(p) = pieces.get(i).filter(|_| !stop.load(Ordering::Relaxed)) else { break };
                    match run(p) {
                        Ok(r) => {
                            if sender.send((i, r)).is_err() {
                                break;
                            }
                        }
                        Err(e) => {
                            stop.store(true, Ordering::Relaxed);
                            if let Ok(mut slot) = failed.lock()
                                && slot.as_ref().is_none_or(|(n, _)| i < *n)
                            {
                                *slot = Some((i, e));
                            }
                            break;
                        }
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut due = 0usize;
        for (i, r) in receiver {
            waiting.insert(i, r);
            while let Some(r) = waiting.remove(&due) {
                take(r);
                due = due.saturating_add(1);
            }
        }
    });
    match failed.into_inner().ok().flatten() {
        Some((_, e)) => Err(e),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    #[test]
    fn results_come_in_order_on_any_number_of_threads() {
        let pieces: Vec<u32> = (0..500).collect();
        for threads in [1, 2, 7] {
            let mut got = Vec::new();
            in_order(threads, &pieces, &|p| Ok(*p * 2), &mut |r| got.push(r)).unwrap();
            assert_eq!(got, (0..500).map(|p| p * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_ends_the_work() {
        let pieces: Vec<u32> = (0..500).collect();
        for threads in [1, 3] {
            let run = |p: &u32| if *p == 20 { Err(Error::new(ErrorKind::Cancelled)) } else { Ok(*p) };
            let mut n = 0;
            assert!(in_order(threads, &pieces, &run, &mut |_| n += 1).unwrap_err().is_cancelled());
            assert!(n < 500);
        }
    }
}
