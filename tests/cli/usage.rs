//! What is typed wrongly, and what cannot be read or written.

use super::Folder;

#[test]
fn wrong_usage_is_refused_before_anything_runs() {
    let folder = Folder::new();
    folder.misused("", "Usage: rangefinder");
    folder.misused("find --nosuch", "--nosuch");
    folder.misused("find --model resnet", "mlp, cnn, resnet9");
    folder.misused("find --data imagenet", "no such dataset; use digits, moons");
    folder.misused("find --data mnist", "mnist:DIR");
    folder.misused("find --optimizer lion", "adamw");
    folder.misused("find --stop never", "use rise");
    for option in ["batch", "accumulate", "seed", "steps", "probe", "seeds", "held-out-every"] {
        folder.misused(&format!("find --{option} -1"), &format!("invalid value '-1' for '--{option}"));
    }
    folder.misused("find --json --quiet", "--quiet");
    folder.refused("find --model cnn --data moons", 2, "use mlp");
    folder.refused("find --model resnet9 --data moons", 2, "use mlp");
    folder.refused("find --steps 0", 2, "--steps: 0 is too few");
    folder.refused("find --steps 1", 2, "--steps: 1 is too few");
    folder.refused("find --from 1 --to 1", 2, "--to: 1 is not above --from 1");
    folder.refused("find --from 1 --to 0.1", 2, "--to: 0.1 is not above --from 1");
    folder.refused("find --from -1", 2, "--from: -1 is negative");
    folder.refused("find --to -1", 2, "--to: -1 is not above --from 1e-7");
    folder.refused("find --from nan", 2, "--from: NaN is not a learning rate");
    folder.refused("find --to 1e300", 2, "--to: 1e300 is no rate of a device, which knows 1.2e-38 to 3.4e38");
    folder.refused("find --from 1e-300", 2, "--from: 1e-300 is no rate of a device");
    folder.refused("find --from 0", 2, "--from: 0 cannot start an exponential range");
    folder.refused("find --batch 0", 2, "--batch: 0 is not");
    folder.refused("find --accumulate 0", 2, "--accumulate: 0 micro-batches");
    folder.refused(
        "find --accumulate 40",
        2,
        "--accumulate: 40 batches of 64 are 2560 samples, the dataset has 1437",
    );
    folder.refused("find --batch 5000", 2, "--batch: 5000 is larger than the dataset (1437 samples)");
    folder.refused("find --momentum 1", 2, "--momentum: 1 is not");
    folder.refused("find --optimizer sgd --momentum 0.5", 2, "--momentum: sgd has none");
    folder.refused("find --weight-decay -1", 2, "--weight-decay: -1");
    folder.refused("find --clip 0", 2, "--clip: 0");
    folder.misused("find --rate-multipliers 0.1,x", "is no number");
    folder.refused(
        "find --rate-multipliers 0.1,1",
        2,
        "--rate-multipliers: 2 for 4 layers: conv2d1, conv2d4, linear8",
    );
    folder.refused(
        "find --decay-multipliers dense=0",
        2,
        "--decay-multipliers: no parameter's name holds `dense`",
    );
    folder.refused("find --rate-multipliers bias=-1", 2, "--rate-multipliers: -1 for `bias`");
    folder.refused("find --layers --grid momentum", 2, "--grid: shows no layers");
    folder.refused("find --layers --mode frozen", 2, "--layers: frozen has no updates");
    folder.refused("find --layers-csv a.csv --csv a.csv", 2, "--layers-csv: is the same file");
    folder.refused("find --layers-csv none/a.csv", 2, "--layers-csv: there is no folder");
    folder.refused("find --smoothing 1", 2, "--smoothing: 1");
    folder.refused("plan --replicas 0", 2, "--replicas: 0");
}

#[test]
fn files_that_cannot_be_written_are_refused_before_the_run() {
    let folder = Folder::new();
    folder.write("file", "x");
    folder.refused("find --plot curve.gif", 2, "--plot: `curve.gif` has the extension `.gif`");
    folder.refused("find --plot curve", 2, "--plot: `curve` has no extension");
    folder.refused("find --plot none/curve.svg", 2, "--plot: there is no folder `none`");
    folder.refused("find --csv none/curve.csv", 2, "--csv: there is no folder `none`");
    folder.refused("find --csv file/curve.csv", 2, "--csv: there is no folder");
    folder.refused("find --csv .", 2, "--csv: `.` ");
    folder.refused("find --csv -", 2, "--csv: `-` is no file here; name one");
    folder.refused("find --csv a.svg --plot a.svg", 2, "--csv: is the same file as --plot");
}

/// An IDX file: its type, its dimensions, and so many bytes.
fn idx(kind: u8, dims: &[u32], bytes: usize) -> Vec<u8> {
    let mut file = vec![0, 0, kind, dims.len() as u8];
    file.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
    file.extend((0..bytes).map(|i| (i * 31 % 10) as u8));
    file
}

fn write_mnist(folder: &Folder, images: impl AsRef<[u8]>) {
    folder.write("train-images-idx3-ubyte", images);
    folder.write("train-labels-idx1-ubyte", idx(8, &[40], 40));
    folder.write("t10k-images-idx3-ubyte", idx(8, &[2, 28, 28], 2 * 784));
    folder.write("t10k-labels-idx1-ubyte", idx(8, &[2], 2));
}

#[test]
fn datasets_come_from_folders() {
    let folder = Folder::new();
    folder.refused("find --data mnist:none", 1, "none: no such directory");
    folder.refused("find --data cifar10:none", 1, "none: no such directory");
    folder.refused("find --data mnist:.", 1, ".: has no train-images-idx3-ubyte");
    write_mnist(&folder, idx(8, &[40, 28, 28], 40 * 784));
    let found = folder.json("find --data mnist:. --model mlp --batch 8 --steps 10 --json");
    assert_eq!((&found["data"], &found["samples"]), (&"mnist".into(), &36.into()));
    folder.refused("find --data mnist:.", 2, "--batch: 64 is larger than the dataset (36 samples)");
    write_mnist(&folder, idx(8, &[40, 28, 28], 1000));
    folder.refused("find --data mnist:.", 1, "train-images-idx3-ubyte: is truncated");
    write_mnist(&folder, idx(0x0d, &[40, 28, 28], 40 * 784));
    folder.refused("find --data mnist:.", 1, "train-images-idx3-ubyte: ");
    write_mnist(&folder, "not IDX at all");
    folder.refused("find --data mnist:.", 1, "train-images-idx3-ubyte: ");
    write_mnist(&folder, idx(8, &[1, 28, 28], 784));
    folder.write("train-labels-idx1-ubyte", idx(8, &[1], 1));
    folder.refused(
        "find --data mnist:.",
        1,
        "mnist: holds 1 sample; there must be one to train on, and another",
    );
}

#[test]
fn labels_are_classes_and_may_be_one_class() {
    let folder = Folder::new();
    write_mnist(&folder, idx(8, &[40, 28, 28], 40 * 784));
    let labels = |label: u8| [&idx(8, &[40], 0)[..], &[label; 40]].concat();
    folder.write("train-labels-idx1-ubyte", labels(10));
    folder.refused(
        "find --data mnist:.",
        1,
        "train-labels-idx1-ubyte: sample 0 has label 10; labels are 0 to 9",
    );
    folder.write("train-labels-idx1-ubyte", labels(3));
    let found = folder.json("find --data mnist:. --model mlp --batch 8 --json");
    assert_eq!(found["restored"], true);
    assert!(
        found["suggestion"]["lr"].as_f64() > Some(0.0),
        "a bias is quickly learned: {}",
        found["refusal"]
    );
}

#[test]
fn help_says_what_there_is() {
    let folder = Folder::new();
    let help = folder.done("find --help");
    for text in [
        "What to train:",
        "The sweep:",
        "Output:",
        "Modes:",
        "Examples:",
        "[default: 1e-7]",
        "--verify-restore",
    ] {
        assert!(help.contains(text), "{text}\n{help}");
    }
    assert_eq!(folder.done("--version"), format!("rangefinder {}\n", env!("CARGO_PKG_VERSION")));
}
