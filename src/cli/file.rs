//! Files that appear whole or not at all, and are tried before the work whose result they take.

use crate::{Error, Result};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Will it be possible to [`replace`] this file? `option` is what names it on the command line.
///
/// # Errors
/// What is in the way, and what to do about it.
pub(super) fn check(option: &str, path: &Path) -> Result<()> {
    let refused = |detail: String| Err(Error::argument(option, detail));
    if path == Path::new("-") {
        return refused("`-` is no file here; name one (./- where that is its name)".into());
    }
    if path.file_name().is_none() {
        return refused(format!("`{}` names no file", path.display()));
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return refused(format!("`{}` is a folder; name a file in it", path.display()));
        }
        // A device or a pipe is written to as it is.
        Ok(found) if !found.is_file() => return Ok(()),
        Ok(found) if found.permissions().readonly() => {
            return refused(format!("`{}` is read-only; make it writable, or name another", path.display()));
        }
        _ => {}
    }
    let path = followed(path);
    let folder = folder(&path);
    if !folder.is_dir() {
        let shown = folder.display();
        return refused(format!("there is no folder `{shown}`; make it first, or write elsewhere"));
    }
    let trial = beside(&path);
    match fs::write(&trial, b"").and_then(|()| fs::remove_file(&trial)) {
        Ok(()) => Ok(()),
        Err(e) => refused(format!("cannot write into `{}`: {e}; write elsewhere", folder.display())),
    }
}

/// Will it be possible to write all that was asked for, each into a file of its own? Options by name, with their paths.
///
/// # Errors
/// As [`check`]; a picture of no known kind, or two options for one file.
pub(super) fn check_outputs(outputs: &[(&str, &Option<PathBuf>)]) -> Result<()> {
    for (i, (option, path)) in outputs.iter().enumerate() {
        let Some(path) = path else { continue };
        if *option == "plot" {
            super::plot::format(path)?;
        }
        check(option, path)?;
        if let Some((other, _)) = outputs[..i].iter().find(|(_, other)| other.as_ref() == Some(path)) {
            return Err(Error::argument(
                *option,
                format!("is the same file as --{}; name another", other.replace(' ', "-")),
            ));
        }
    }
    Ok(())
}

/// As [`replace`], with a text.
///
/// # Errors
/// The system's, with the path.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    replace(path, text.as_bytes()).map_err(|e| Error::io(path, e))
}

/// Writes beside the path and renames, so that a reader never sees half a file.
///
/// # Errors
/// The system's; what was at the path before is then still there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return fs::write(path, bytes); // to replace a device by a file would be a surprise
    }
    let path = followed(path);
    let beside = beside(&path);
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// The file itself where the path is a link to one.
fn followed(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A hidden name that no other process takes.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    folder(path).join(format!(".{name}.{}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that goes away with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("rangefinder-file-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a temporary folder");
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = Folder::new("replaced");
        let path = folder.0.join("a.csv");
        for text in ["first", "second"] {
            check("csv", &path).expect("writable");
            replace(&path, text.as_bytes()).expect("written");
            assert_eq!(fs::read_to_string(&path).expect("readable"), text);
        }
        assert_eq!(fs::read_dir(&folder.0).expect("readable").count(), 1);
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let folder = Folder::new("refused");
        let file = folder.0.join("file");
        fs::write(&file, "x").expect("written");
        let says = |path: &Path, text: &str| {
            let error = check("plot", path).expect_err("refused").to_string();
            assert!(error.starts_with("plot: ") && error.contains(text), "{error}");
        };
        says(&folder.0, "is a folder");
        says(&folder.0.join("none/a.svg"), "there is no folder");
        says(&file.join("a.svg"), "there is no folder");
        says(Path::new(""), "names no file");
        says(Path::new("-"), "`-` is no file here");
        assert_eq!(fs::read_dir(&folder.0).expect("readable").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_devices_stay() {
        let folder = Folder::new("links");
        let (real, link) = (folder.0.join("real"), folder.0.join("link"));
        fs::write(&real, "old").expect("written");
        std::os::unix::fs::symlink(&real, &link).expect("linked");
        replace(&link, b"new").expect("written");
        assert_eq!(fs::read_to_string(&real).expect("readable"), "new");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        check("csv", Path::new("/dev/null")).expect("writable");
        replace(Path::new("/dev/null"), b"x").expect("written");
        assert!(!fs::metadata("/dev/null").expect("there").is_file());
    }
}
