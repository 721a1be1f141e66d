//! Mutants: deliberate mistakes, each of which one rule of the engine prevents. The simulation must find every one of
//! them.
//!
//! The cargo feature `mutants` brings this module, and only the tests turn it on (the package depends on itself for
//! them). No flag, variable or file reaches it: a test activates a mutant by a call, for the current thread. In
//! every other build `mutant!` is `false`.

/// A mistake the engine could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The SDK repeats creates by itself.
    SdkRetries,
    /// A create with an unknown result is repeated without reading the listing.
    NoLookAfterUnknown,
    /// A create does not check whether another run created the object since the plan was made.
    NoLookBeforeCreate,
    /// An unknown result counts as done.
    UnknownIsDone,
    /// The tags are written by a second call.
    TagsAfterCreate,
    /// The id of a create attempt has no time in it.
    OpWithoutTime,
    /// A new object is referred to before it can be used.
    UsedTooSoon,
    /// The run ends before the listings show the objects that it created.
    NoEndBarrier,
    /// A duplicate is deleted at any age and without a second check.
    PrunedAtOnce,
    /// A listing that broke off counts as complete.
    PartialListing,
    /// The first signal drops what is in flight.
    DroppedOnStop,
    /// An object is changed without reading its present state.
    NoLookBeforeUpdate,
    /// An object is deleted without reading its present owner.
    TagsIgnoredOnDelete,
    /// A step does not check again whether its object has gone live.
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
