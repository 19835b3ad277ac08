//! Work spread over threads so that its results cannot depend on how: each piece has its number, its own random stream
//! and its own place among the results. Here alone threads are started.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The threads to use: as many as asked for, or as the machine has.
pub fn thread_count(wanted: Option<usize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    wanted.unwrap_or_else(cores).max(1)
}

/// `work(state, 0..count)` in the order of the numbers. Each thread makes one `state` and keeps it.
pub fn map<S, T: Send>(
    threads: usize,
    count: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> T + Sync,
) -> Vec<T> {
    let threads = threads.min(count);
    if threads <= 1 {
        let mut own = state();
        return (0..count).map(|number| work(&mut own, number)).collect();
    }
    let next = AtomicUsize::new(0);
    let share = || {
        let mut own = state();
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return done;
            }
            done.push((number, work(&mut own, number)));
        }
    };
    let mut results: Vec<(usize, T)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(share)).collect();
        let mut results = share();
        for worker in workers {
            // A panic is a mistake of ours; it goes on where it would have gone on without threads.
            results.extend(
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        results
    });
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_order_for_any_number_of_threads() {
        for threads in [1, 2, 8] {
            let squares = map(
                threads,
                100,
                || 0,
                |calls, n| {
                    *calls += 1;
                    n * n
                },
            );
            assert_eq!(squares, (0..100).map(|n| n * n).collect::<Vec<_>>());
        }
        assert!(map(4, 0, || (), |(), n| n).is_empty());
    }
}
