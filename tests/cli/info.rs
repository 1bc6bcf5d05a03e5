//! `rangefinder info`: which device is used, and with which kernels.

use super::{Folder, done, failed};
use serde_json::Value;

#[test]
fn without_an_adapter_there_is_advice() {
    let folder = Folder::new();
    for args in ["find", "info"] {
        let mut command = folder.command(args);
        // Linux alone asks these files for its drivers.
        if cfg!(target_os = "linux") {
            command.env("VK_ICD_FILENAMES", "/nonexistent").env("VK_DRIVER_FILES", "/nonexistent");
            failed(&command.output().unwrap(), 1, "install a Vulkan driver");
        }
    }
    let output = folder.command("find").env("RANGEFINDER_ADAPTER", "nosuch").output().unwrap();
    failed(&output, 1, "RANGEFINDER_ADAPTER=nosuch matches none of 0: ");
    assert!(folder.files().is_empty());
}

/// The file of `bench --tune`: one that is of another device changes nothing, one that is broken is named.
#[test]
fn a_profile_file_is_used_where_it_fits() {
    let folder = Folder::new();
    let info = |file: &str| folder.command("info --json").env("RANGEFINDER_PROFILE", file).output().unwrap();
    let tuning = |file: &str| {
        let info: Value = serde_json::from_str(&done(&info(file))).unwrap();
        (info["profile"].as_str().unwrap().to_owned(), info["tuning"].as_str().unwrap().to_owned())
    };
    let usual = tuning("off");
    assert!(
        usual.1.starts_with("by the table for") && usual.1.contains("RANGEFINDER_PROFILE is off"),
        "{usual:?}"
    );

    let listed = folder.json("info --json");
    let used = &listed["adapters"][listed["used"].as_u64().unwrap() as usize];
    let choice = serde_json::json!({"products": "registers", "gradients": "registers", "groups": 8});
    let linear = serde_json::json!({"narrow": choice, "small": choice, "medium": choice, "large": choice});
    let device = |adapter: &Value, profile: &str| {
        serde_json::json!({
            "adapter": adapter, "backend": used["backend"], "driver": used["driver"],
            "profile": profile, "linear": linear, "conv2d_groups": 8,
        })
    };
    let file = |version: u32, device: Value| {
        serde_json::json!({"version": version, "devices": [device]}).to_string()
    };
    folder.write("mine.json", file(1, device(&used["name"], "portable")));
    folder.write("other.json", file(1, device(&"another".into(), "portable")));
    folder.write("wrong.json", file(1, device(&used["name"], "tiled")).replace("registers", "broadcast"));
    folder.write("later.json", file(2, device(&used["name"], "portable")));
    folder.write("broken.json", "{\"version\": 1}");
    assert_eq!(tuning("mine.json"), ("Portable".into(), "as measured: mine.json".into()));
    let (profile, why) = tuning("other.json");
    assert_eq!(profile, usual.0);
    assert!(why.ends_with("other.json has no measurement of this device under this driver"), "{why}");
    failed(&info("wrong.json"), 1, "wrong.json: does not fit the device: tuning: Tiled has no Broadcast");
    failed(&info("later.json"), 1, "its version is 2, not 1");
    failed(&info("broken.json"), 1, "is no file of `rangefinder bench --tune`");
    failed(&info("none.json"), 1, "is not there, though RANGEFINDER_PROFILE names it");
    // Nothing that is no such file is overwritten.
    let tune = folder.command("bench --tune").env("RANGEFINDER_PROFILE", "broken.json").output().unwrap();
    failed(&tune, 1, "is no file of `rangefinder bench --tune`");
}

#[test]
fn info_lists_adapters() {
    let folder = Folder::new();
    let text = folder.done("info");
    assert!(text.contains("<- used") && text.contains("RANGEFINDER_ADAPTER"), "{text}");
    let info = folder.json("info --json");
    let used = info["used"].as_u64().unwrap() as usize;
    assert!(info["adapters"][used]["max_buffer"].as_u64() > Some(1 << 20));
}
