//! SIGPIPE and SIGINT: readers that have seen enough, and Ctrl-C.

use super::{Folder, curve_csv};
use std::process::Stdio;

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = Folder::new();
    for args in ["plan --bindings", "find --data moons --steps 10", "suggest curve.csv"] {
        folder.write("curve.csv", curve_csv());
        let mut child = folder.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]), "{args}");
    }
}

/// Does a process handle SIGINT? Before it does, the signal would end it.
#[cfg(target_os = "linux")]
fn handles_interrupts(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 2 != 0)
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_restores_the_model_and_leaves_no_file() {
    let folder = Folder::new();
    // Long enough to be interrupted on any device.
    let mut command = folder.command("find --steps 400000 --stop finite --csv curve.csv --plot curve.svg");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !handles_interrupts(child.id()) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "rangefinder: cancelled; the model is as it was before\n");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(130), 0));
    assert!(folder.files().is_empty(), "{:?}", folder.files());
    assert!(folder.0.is_dir());
}
