//! The file in which measured tunings wait for later runs, and the device that they are loaded into.
//!
//! `RANGEFINDER_PROFILE` names it; `off` leaves what was measured aside. Else it is `rangefinder/profile.json` in the user's
//! folder of settings: `$XDG_CONFIG_HOME` or `~/.config`, on macOS `~/Library/Application Support`, on Windows `%APPDATA%`.

use super::file;
use crate::{Adapter, ClassTuning, Error, Gpu, Profile, Result, ShapeClass, Tuning};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub(super) const VARIABLE: &str = "RANGEFINDER_PROFILE";
/// Of the format. Files of another version are refused: their tunings are for other kernels.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    devices: Vec<Entry>,
}

/// What was measured on one device under one driver.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    adapter: String,
    backend: String,
    driver: String,
    profile: Profile,
    linear: Linear,
    conv2d_groups: usize,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Linear {
    narrow: ClassTuning,
    small: ClassTuning,
    medium: ClassTuning,
    large: ClassTuning,
}

impl Entry {
    fn new(adapter: &Adapter, tuning: &Tuning) -> Self {
        let [narrow, small, medium, large] = ShapeClass::ALL.map(|class| tuning.linear[class as usize]);
        Self {
            adapter: adapter.name.clone(),
            backend: adapter.backend.clone(),
            driver: adapter.driver.clone(),
            profile: tuning.profile,
            linear: Linear { narrow, small, medium, large },
            conv2d_groups: tuning.conv2d_groups,
        }
    }

    fn is_of(&self, adapter: &Adapter) -> bool {
        self.adapter == adapter.name && self.backend == adapter.backend && self.driver == adapter.driver
    }

    fn tuning(&self) -> Tuning {
        let Linear { narrow, small, medium, large } = self.linear;
        let Self { profile, conv2d_groups, .. } = *self;
        Tuning { profile, linear: [narrow, small, medium, large], conv2d_groups }
    }
}

/// Where the file is, and whether somebody asked for this one.
enum Place {
    Named(PathBuf),
    Usual(PathBuf),
    /// No file, and why.
    Nowhere(&'static str),
}

fn place() -> Place {
    match std::env::var_os(VARIABLE) {
        Some(off) if off == "off" => Place::Nowhere("RANGEFINDER_PROFILE is off"),
        Some(path) if !path.is_empty() => Place::Named(path.into()),
        _ => match settings() {
            Some(folder) => Place::Usual(folder.join("rangefinder").join("profile.json")),
            None => Place::Nowhere("the system names no folder of settings"),
        },
    }
}

/// The folder where programs keep a user's settings.
fn settings() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        return folder("APPDATA");
    }
    if cfg!(target_os = "macos") {
        return folder("HOME").map(|home| home.join("Library").join("Application Support"));
    }
    folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))
}

/// The file's text, or `None` where there is no file.
fn read(path: &Path) -> Result<Option<File>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(path, e)),
    };
    let broken = |what: String| {
        let detail =
            format!("is no file of `rangefinder bench --tune` ({what}); remove it, or set {VARIABLE}=off");
        Error::data(path.display().to_string(), detail)
    };
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    match serde_json::from_str::<Version>(&text) {
        Ok(found) if found.version != VERSION => {
            Err(broken(format!("its version is {}, not {VERSION}", found.version)))
        }
        Ok(_) => serde_json::from_str(&text).map(Some).map_err(|e| broken(e.to_string())),
        Err(e) => Err(broken(e.to_string())),
    }
}

/// What a device's kernels were chosen by: the sentence's end after "kernels: Tiled, ".
fn load(gpu: &Gpu) -> Result<String> {
    let table = |why: String| Ok(format!("by the table for {}: {why}", gpu.adapter().class()));
    let (path, asked) = match place() {
        Place::Named(path) => (path, true),
        Place::Usual(path) => (path, false),
        Place::Nowhere(why) => return table(why.into()),
    };
    let shown = path.display().to_string();
    match read(&path)? {
        None if asked => {
            let detail =
                format!("is not there, though {VARIABLE} names it; `rangefinder bench --tune` makes it");
            Err(Error::data(shown, detail))
        }
        None => table("not measured yet; `rangefinder bench --tune` does".into()),
        Some(file) => match file.devices.iter().find(|entry| entry.is_of(gpu.adapter())) {
            Some(entry) => {
                let wrong = |e: Error| Error::data(shown.clone(), format!("does not fit the device: {e}"));
                gpu.tune(entry.tuning()).map_err(wrong)?;
                Ok(format!("as measured: {shown}"))
            }
            None => table(format!("{shown} has no measurement of this device under this driver")),
        },
    }
}

/// A device with what was measured of it, and where that is from.
pub(super) async fn open() -> Result<(Gpu, String)> {
    let gpu = Gpu::new().await?;
    let source = load(&gpu)?;
    Ok((gpu, source))
}

/// Will it be possible to [`save`]? Asked before the measuring.
pub(super) fn check() -> Result<PathBuf> {
    let path = match place() {
        Place::Named(path) => path,
        Place::Usual(path) => {
            let folder = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
            path
        }
        Place::Nowhere(why) => {
            return Err(Error::argument("tune", format!("{why}; name a file with {VARIABLE}")));
        }
    };
    file::check(VARIABLE, &path)?;
    read(&path)?; // what is no file of ours is not overwritten
    Ok(path)
}

/// Puts a device's tuning into the file, in the place of an older one. Other devices' stay.
pub(super) fn save(path: &Path, adapter: &Adapter, tuning: &Tuning) -> Result<()> {
    let mut devices = read(path)?.map_or(Vec::new(), |file| file.devices);
    devices.retain(|entry| !entry.is_of(adapter));
    devices.push(Entry::new(adapter, tuning));
    let file = File { version: VERSION, devices };
    let text = serde_json::to_string_pretty(&file).map_err(|e| Error::io(path, e.into()))?;
    file::replace(path, (text + "\n").as_bytes()).map_err(|e| Error::io(path, e))
}
