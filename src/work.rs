//! Work in pieces, on one thread or several, with the results taken in the order of the pieces.

use crate::error::Result;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};

/// As many threads as the machine runs at once.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Pieces that are begun before the one that is taken next, for each thread.
const AHEAD: usize = 4;

/// How far the results have been taken; who would run too far ahead waits for it.
struct Gate {
    due: Mutex<usize>,
    moved: Condvar,
    stop: AtomicBool,
    ahead: usize,
}

impl Gate {
    /// Waits until a piece may begin; whether it still should.
    fn may_begin(&self, i: usize) -> bool {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let far = |due: &mut usize| i >= due.saturating_add(self.ahead) && !self.stop.load(Ordering::Relaxed);
        drop(self.moved.wait_while(due, far).unwrap_or_else(PoisonError::into_inner));
        !self.stop.load(Ordering::Relaxed)
    }

    fn taken(&self, due: usize) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = due;
        self.moved.notify_all();
    }

    fn end(&self) {
        // under the lock, so that nobody begins to wait between the two
        let _due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        self.stop.store(true, Ordering::Relaxed);
        self.moved.notify_all();
    }
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
    in_order_while(threads, pieces, run, &mut |r| {
        take(r);
        true
    })
}

/// The same until `take` says that it wants no more. Results that wait for a slow piece are few.
///
/// # Errors
/// The first error in that order; pieces that nobody has begun are then left.
pub fn in_order_while<P: Sync, R: Send>(
    threads: usize,
    pieces: &[P],
    run: &(dyn Fn(&P) -> Result<R> + Sync),
    take: &mut dyn FnMut(R) -> bool,
) -> Result<()> {
    if threads <= 1 || pieces.len() <= 1 {
        for p in pieces {
            if !take(run(p)?) {
                break;
            }
        }
        return Ok(());
    }
    let next = AtomicUsize::new(0);
    let gate = Gate { due: Mutex::new(0), moved: Condvar::new(), stop: AtomicBool::new(false), ahead: threads.saturating_mul(AHEAD) };
    let (sender, receiver) = mpsc::channel();
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(pieces.len()) {
            let sender = sender.clone();
            let (next, gate, failed) = (&next, &gate, &failed);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(p) = pieces.get(i).filter(|_| gate.may_begin(i)) else { break };
                    match run(p) {
                        Ok(r) => {
                            if sender.send((i, r)).is_err() {
                                break;
                            }
                        }
                        Err(e) => {
                            gate.end();
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
        let mut wanted = true;
        for (i, r) in receiver {
            waiting.insert(i, r);
            while let Some(r) = waiting.remove(&due).filter(|_| wanted) {
                wanted = take(r);
                due = due.saturating_add(1);
            }
            if wanted { gate.taken(due) } else { gate.end() }
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
    fn results_that_wait_for_a_slow_piece_are_few() {
        let begun = AtomicUsize::new(0);
        let pieces: Vec<usize> = (0..500).collect();
        let run = |p: &usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *p == 0 {
                std::thread::sleep(std::time::Duration::from_millis(50));
                return Ok(begun.load(Ordering::Relaxed));
            }
            Ok(0)
        };
        let mut got = Vec::new();
        in_order(3, &pieces, &run, &mut |r| got.push(r)).unwrap();
        assert_eq!(got.len(), 500);
        assert!((1..=3 * AHEAD).contains(&got[0]), "{}", got[0]);
    }

    #[test]
    fn work_ends_when_nothing_more_is_wanted() {
        let pieces: Vec<u32> = (0..500).collect();
        for threads in [1, 3] {
            let mut n = 0;
            in_order_while(threads, &pieces, &|p| Ok(*p), &mut |_| {
                n += 1;
                n < 20
            })
            .unwrap();
            assert_eq!(n, 20);
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
