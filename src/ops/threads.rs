//! Work on the threads of the engine.

use rayon::prelude::*;
use tract_onnx::prelude::multithread::{Executor, current_tract_executor};

/// Work of fewer multiplications is not worth waking threads for.
const MIN_THREADED_MACS: usize = 1 << 20;

/// How many shares there are at least for each thread, so that one that was held up doesn't hold up
/// the others.
const SHARES_PER_THREAD: usize = 4;

/// Does `work`, of about `macs` multiplications, where rayon finds the engine's threads; gives it
/// the number of threads.
pub(super) fn with_threads<R: Send>(macs: usize, work: impl FnOnce(usize) -> R + Send) -> R {
    let executor =
        if macs < MIN_THREADED_MACS { Executor::SingleThread } else { current_tract_executor() };
    match executor {
        Executor::SingleThread => work(1),
        Executor::MultiThread(pool) => pool.install(|| work(rayon::current_num_threads())),
        Executor::RayonGlobal => work(rayon::current_num_threads()),
    }
}

/// How many of `count` things make a share for one of `threads`: at most `most`, and at least one.
pub(super) fn share(count: usize, threads: usize, most: usize) -> usize {
    let fair = match threads {
        1 => count,
        _ => count.div_ceil(SHARES_PER_THREAD * threads),
    };
    fair.min(most).max(1)
}

/// Calls `work` with the number and the values of each of the `len` long chunks of `values`, on
/// all of `threads`.
pub(super) fn for_each_chunk<T: Send>(
    threads: usize,
    values: &mut [T],
    len: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    match threads {
        1 => values.chunks_mut(len).enumerate().for_each(|(i, chunk)| work(i, chunk)),
        _ => values.par_chunks_mut(len).enumerate().for_each(|(i, chunk)| work(i, chunk)),
    }
}
