//! `rangefinder plan`.

use super::{Folder, done};

#[test]
fn a_plan_needs_no_device() {
    let folder = Folder::new();
    let plan = |args: &str| {
        let mut command = folder.command(args);
        done(&command.env("VK_ICD_FILENAMES", "/nonexistent").output().unwrap())
    };
    let small = plan("plan");
    assert!(small.starts_with("1x8x8 -> 10, cross_entropy, SGD momentum 0.9, batch 64\n"), "{small}");
    assert!(small.contains("conv2d") && !small.contains("params["));
    assert!(plan("plan --bindings").contains("params["));
    assert!(
        plan("plan --data moons --optimizer adam --replicas 3 --batch 8")
            .contains("Adam, batch 8, 3 replicas")
    );
    let parts = plan("plan --batch 16 --accumulate 4");
    assert!(
        parts.contains("batch 16 x 4\none step of 4 micro-batches: ") && parts.contains("accumulate"),
        "{parts}"
    );
}
