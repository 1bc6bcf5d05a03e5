//! These tests in a browser, by `make test-web`: the same functions, unchanged. They block where a page cannot, so the page
//! suspends the whole stack instead (WebAssembly's promise integration): `turn` gives the browser its turn, until something
//! that is waited for wakes us.
//!
//! A panic is a trap, after which an instance is not to be trusted: `run.mjs` goes on in a fresh one.

extern crate test;

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use test::{ShouldPanic, TestDescAndFn, TestFn};

#[link(wasm_import_module = "./host.js")]
unsafe extern "C" {
    /// Returns after `wake` was called.
    fn turn();
    fn wake();
    /// A line of UTF-8 for the runner.
    fn say(text: *const u8, len: usize);
}

fn tell(text: &str) {
    // SAFETY: the host copies the bytes before it returns.
    unsafe { say(text.as_ptr(), text.len()) }
}

struct Host;

impl Wake for Host {
    fn wake(self: Arc<Self>) {
        // SAFETY: it takes nothing, and touches nothing of ours.
        unsafe { wake() }
    }
}

/// The result of a future.
pub fn block<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Host));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            // SAFETY: called below an export that the host has made promising.
            Poll::Pending => unsafe { turn() },
        }
    }
}

/// A test, and the panic that it must end with.
struct Case {
    name: &'static str,
    ignored: bool,
    panics: Option<&'static str>,
    run: fn() -> Result<(), String>,
}

thread_local! {
    static CASES: RefCell<Vec<Case>> = const { RefCell::new(Vec::new()) };
}

/// Stands in for the harness that would run the tests at once.
pub fn collect(tests: &[&TestDescAndFn]) {
    std::panic::set_hook(Box::new(|info| tell(&info.to_string())));
    let case = |test: &&TestDescAndFn| {
        let test::TestName::StaticTestName(name) = test.desc.name else { return None };
        let TestFn::StaticTestFn(run) = test.testfn else { return None };
        let panics = match test.desc.should_panic {
            ShouldPanic::No => None,
            ShouldPanic::Yes => Some(""),
            ShouldPanic::YesWithMessage(message) => Some(message),
        };
        Some(Case { name, ignored: test.desc.ignore, panics, run })
    };
    CASES.set(tests.iter().filter_map(case).collect());
}

/// How many tests there are.
#[unsafe(no_mangle)]
extern "C" fn test_count() -> usize {
    CASES.with_borrow(Vec::len)
}

/// Tells name, "ignored" or "", and the expected panic or "", with line ends between them.
#[unsafe(no_mangle)]
extern "C" fn test_describe(index: usize) {
    CASES.with_borrow(|cases| {
        let Case { name, ignored, panics, .. } = &cases[index];
        let (ignored, kind) =
            (if *ignored { "ignored" } else { "" }, if panics.is_some() { "panics" } else { "" });
        tell(&format!("{name}\n{ignored}\n{kind}\n{}", panics.unwrap_or_default()));
    });
}

/// Runs a test; traps where it fails.
#[unsafe(no_mangle)]
extern "C" fn test_run(index: usize) {
    let run = CASES.with_borrow(|cases| cases[index].run);
    if let Err(error) = run() {
        panic!("{error}");
    }
}
