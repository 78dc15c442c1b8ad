//! What becomes of memory that is freed.

/// Larger values come from the system one by one and go back to it: 32 MB, the most that all versions of the
/// C library take. Those of LiteMedSAM's encoder have up to 25 MB.
#[cfg(target_env = "gnu")]
const LARGEST: i32 = 32 << 20;

/// How much memory may lie free at the heap's end before it goes back to the system.
#[cfg(target_env = "gnu")]
const FREE: i32 = 256 << 20;

/// How many heaps threads share. One of a thread's own goes back to the system whenever nothing in it is in
/// use, which is between all steps where it holds nothing but their values; and in a single one two threads
/// that attend would wait for each other, a tenth of the time of an encode.
#[cfg(target_env = "gnu")]
const HEAPS: i32 = 2;

/// Has the C library keep memory that is freed for whoever asks next. To be called before threads are
/// started.
///
/// Each step of an encoder asks for some megabytes and frees those of the step before. Given back to the
/// system each time, they come anew, zeroed page by page, which takes an eighth of the time on one thread and
/// a fifth on two. A live picture's encodes take three quarters of the time, and a sixth less memory; a lone
/// encode some twenty megabytes more. Without effect where the C library isn't GNU's.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [
        (libc::M_MMAP_THRESHOLD, LARGEST),
        (libc::M_TRIM_THRESHOLD, FREE),
        (libc::M_ARENA_MAX, HEAPS),
    ] {
        // SAFETY: it takes any numbers, and changes nothing but where memory comes from. What it can't take
        // is left as it was.
        unsafe { libc::mallopt(parameter, value) };
    }
}
