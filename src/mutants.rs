//! Planted bugs, for the tests that prove the tests: each is a mistake that one rule of the engine exists to
//! prevent, and the simulation must find every one of them.
//!
//! The cargo feature `mutants` brings this module, and only the tests turn it on (the package depends on itself for
//! them). No flag, variable or file reaches it: a bug is planted by a call from a test, for the current thread. In
//! every other build `mutant!` is `false`, and there is nothing to plant.

/// A mistake the engine could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The SDK repeats creates by itself.
    SdkRetries,
    /// A create whose outcome nobody knows is repeated without a look at the listing.
    NoLookAfterUnknown,
    /// Nobody looks whether another run made it since the plan was read.
    NoLookBeforeCreate,
    /// An unknown outcome is called done.
    UnknownIsDone,
    /// The tags are written by a second call.
    TagsAfterCreate,
    /// The name of an attempt carries no time.
    OpWithoutTime,
    /// A new object is referred to before it can be used.
    UsedTooSoon,
    /// The run ends before the listings show what it made.
    NoEndBarrier,
    /// A duplicate is deleted however young it is, without a second look.
    PrunedAtOnce,
    /// A listing that broke off counts as complete.
    PartialListing,
    /// The first signal drops what is in flight.
    DroppedOnStop,
    /// An object is written to without a look at what it is by now.
    NoLookBeforeUpdate,
    /// An object is deleted without a look at whose it is by now.
    TagsIgnoredOnDelete,
    /// Nobody looks again whether somebody went live.
    NoLookForAudience,
    /// A deleted stream key is taken over again where the listing still shows it.
    DeletedKeyRetaken,
}

thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Whether this bug is planted in this thread.
pub(crate) fn active(bug: Mutant) -> bool {
    PLANTED.get() == Some(bug)
}

/// Runs `work` with a bug planted in this thread.
pub fn with<T>(bug: Mutant, work: impl FnOnce() -> T) -> T {
    /// Taken out again even where `work` panics: the thread has other tests to run.
    struct Planted;
    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.set(None);
        }
    }
    PLANTED.set(Some(bug));
    let _planted = Planted;
    work()
}
