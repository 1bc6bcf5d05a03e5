//! The command as people run it: the real program, its output, its files, its exit code.

mod bench;
mod find;
mod grid;
mod info;
mod modes;
mod plan;
mod report;
#[cfg(unix)]
mod signals;
mod suggest;
mod usage;

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// An empty folder, in which a command runs; gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rangefinder-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut files: Vec<_> = fs::read_dir(&self.0).unwrap().map(name).collect();
        files.sort();
        files
    }

    /// The command, with arguments that are separated by spaces.
    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rangefinder"));
        command.args(args.split_whitespace()).current_dir(&self.0).stdin(Stdio::null());
        command.env_remove("COLUMNS").env_remove("NO_COLOR");
        command.env("RANGEFINDER_PROFILE", "off"); // not what was measured on the machine that runs the tests
        // Without it Mesa says so on stderr.
        if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            command.env("XDG_RUNTIME_DIR", std::env::temp_dir());
        }
        command
    }

    #[track_caller]
    fn done(&self, args: &str) -> String {
        done(&self.command(args).output().unwrap())
    }

    #[track_caller]
    fn json(&self, args: &str) -> Value {
        serde_json::from_str(&self.done(args)).unwrap()
    }

    /// One line on stderr and nothing anywhere else.
    #[track_caller]
    fn refused(&self, args: &str, code: i32, said: &str) {
        let files = self.files();
        failed(&self.command(args).output().unwrap(), code, said);
        assert_eq!(self.files(), files, "{args} left files");
    }

    /// As clap refuses: its own words, exit code 2.
    #[track_caller]
    fn misused(&self, args: &str, said: &str) {
        let output = self.command(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn done(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "a GPU test: see `make setup`");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn failed(output: &Output, code: i32, said: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "{stderr}");
    assert!(stderr.starts_with("rangefinder: ") && stderr.contains(said), "{stderr}");
    assert_eq!(stderr.matches('\n').count(), 1, "{stderr}");
}

const RULES: [&str; 5] = ["fastai_valley", "fastai_steep", "fastai_slide", "fastai_minimum", "min_gradient"];

/// The losses of a clean fall around 1e-2 and a divergence near 1.
fn curve() -> (Vec<f64>, Vec<f64>) {
    let lr: Vec<f64> = (0..100).map(|i| 1e-7 * 1e8f64.powf(f64::from(i) / 99.0)).collect();
    let wobble = |i: usize| 0.01 * ((i * 7 % 5) as f64 - 2.0);
    let loss = |(i, lr): (usize, &f64)| 2.0 / (1.0 + (lr / 1e-2).powi(2)) + lr.powi(3) + wobble(i);
    let loss = lr.iter().enumerate().map(loss).collect();
    (lr, loss)
}

fn curve_csv() -> String {
    let (lr, loss) = curve();
    let rows = lr.iter().zip(loss).map(|(lr, loss)| format!("{lr:e},{loss}\n"));
    format!("Learning Rate,train_loss\n{}", rows.collect::<String>())
}

/// The object has these keys and no others.
#[track_caller]
fn assert_keys(object: &Value, keys: &[&str]) {
    let mut found: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    let mut keys = keys.to_vec();
    found.sort_unstable();
    keys.sort_unstable();
    assert_eq!(found, keys);
}
