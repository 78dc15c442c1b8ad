//! Panics of libraries, turned into errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether a panic on this thread is about to become an error, which says it all.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `task`; a panic in it becomes its message and is not printed. For libraries that assert
/// what they expect of a file or of the system.
pub(crate) fn contain<T>(task: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if !CONTAINED.get() {
                print(panic);
            }
        }));
    });
    let outer = CONTAINED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(task));
    CONTAINED.set(outer);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "it broke off without saying why".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(contain(|| 3), Ok(3));
        assert_eq!(contain(|| panic!("plain")), Err::<(), _>("plain".into()));
        let nested = contain(|| contain(|| panic!("no {}", "more")));
        assert_eq!(nested, Ok(Err::<(), _>("no more".into())));
        assert!(!CONTAINED.get(), "panics elsewhere are printed again");
    }
}
