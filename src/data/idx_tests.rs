use super::super::testing::{TempDir, gzip, real_data};
use super::*;

/// An IDX file of unsigned bytes.
fn idx(sizes: &[u32], numbers: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, UNSIGNED_BYTES, sizes.len() as u8];
    sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    bytes.extend(numbers);
    bytes
}

/// Three training and two test images of 2x2, by the names with dashes, nothing gzipped.
fn small() -> TempDir {
    let dir = TempDir::new();
    dir.write(TRAIN.images[0], &idx(&[3, 2, 2], &[0, 0, 0, 0, 100, 100, 100, 100, 200, 200, 200, 200]));
    dir.write(TRAIN.labels[0], &idx(&[3], &[0, 9, 4]));
    dir.write(TEST.images[0], &idx(&[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]));
    dir.write(TEST.labels[0], &idx(&[2], &[5, 6]));
    dir
}

/// What is said when the training images (or another file) are replaced by `bytes`: without the path.
fn refused(name: &str, bytes: &[u8]) -> String {
    let dir = small();
    let path = dir.write(name, bytes);
    let text = mnist(dir.path()).unwrap_err().to_string();
    assert!(!text.contains('\n'), "{text}");
    text.strip_prefix(&format!("{}: ", path.display())).expect("the file is named").to_owned()
}

#[test]
fn real_mnist_has_its_published_statistics() {
    let (train, test) = mnist(&real_data("mnist")).unwrap();
    assert_eq!((train.name(), train.len(), train.shape()), ("mnist train", 60_000, &[1, 28, 28][..]));
    assert_eq!((test.name(), test.len(), test.classes()), ("mnist test", 10_000, Some(10)));
    let deviation = 1.0 / train.scale() / 255.0;
    let mean = -train.shift() * deviation;
    assert!((mean - 0.1307).abs() < 5e-5 && (deviation - 0.3081).abs() < 5e-5, "{mean}, {deviation}");
    assert_eq!((train.scale(), train.shift()), (test.scale(), test.shift()));
    let Targets::Classes { labels, .. } = test.targets() else { panic!("classes expected") };
    let counts: [usize; 10] = std::array::from_fn(|c| labels.iter().filter(|&&l| l == c as u32).count());
    assert_eq!(counts, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
}

#[test]
fn a_small_directory_reads_as_written() {
    let (train, test) = mnist(small().path()).unwrap();
    assert_eq!((train.shape(), train.len()), (&[1, 2, 2][..], 3));
    assert_eq!(test.inputs(), &Inputs::U8(vec![1, 2, 3, 4, 5, 6, 7, 8]));
    assert_eq!(test.targets(), &Targets::Classes { labels: vec![5, 6], classes: 10 });
    assert!((f64::from(train.scale()) - 1.0 / 81.649_658).abs() < 1e-9); // mean 100, variance 20000/3
}

#[test]
fn names_with_dots_and_gzip_under_any_name_are_read() {
    let (dashes, dots) = (small(), TempDir::new());
    for part in [&TRAIN, &TEST] {
        for names in [part.images, part.labels] {
            let bytes = std::fs::read(dashes.join(names[0])).unwrap();
            dots.write(names[1], &gzip(&bytes)); // gzipped without saying so
            std::fs::remove_file(dashes.join(names[0])).unwrap();
            dashes.write(&format!("{}.gz", names[0]), &bytes); // says so, but is not
        }
    }
    let (a, _) = mnist(dashes.path()).unwrap();
    let (b, _) = mnist(dots.path()).unwrap();
    assert_eq!((a.inputs(), a.targets()), (b.inputs(), b.targets()));
}

#[test]
fn a_missing_directory_or_file_is_named_with_what_was_looked_for() {
    let dir = small();
    let text = mnist(&dir.join("none")).unwrap_err().to_string();
    let looked_for = "none: no such directory; it should hold train-images-idx3-ubyte, \
        train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, plain or with .gz";
    assert!(text.ends_with(looked_for), "{text}");
    std::fs::remove_file(dir.join(TEST.labels[0])).unwrap();
    let text = mnist(dir.path()).unwrap_err().to_string();
    let looked_for = ": has no t10k-labels-idx1-ubyte or t10k-labels.idx1-ubyte, plain or with .gz";
    assert!(text.ends_with(looked_for), "{text}");
}

#[test]
fn truncated_and_overlong_files_are_told_with_their_sizes() {
    let images = idx(&[3, 2, 2], &[7; 12]);
    for (cut, message) in [
        (&images[..0], "is empty"),
        (&images[..2], "is truncated: its header has 4 bytes, the file 2"),
        (&images[..9], "is truncated: its header has 12 bytes, the file 9"),
        (&images[..20], "is truncated: 28 bytes expected, 20 found"),
    ] {
        assert_eq!(refused(TRAIN.images[0], cut), message);
    }
    let long = [&images[..], &[0]].concat();
    assert_eq!(refused(TRAIN.images[0], &long), "has trailing bytes: 28 bytes expected, more found");
    let long = [&images[..], &[0]].concat();
    assert_eq!(refused(TRAIN.images[0], &gzip(&long)), "has trailing bytes: 28 bytes expected, more found");
}

#[test]
fn corrupt_gzip_is_told() {
    let mut packed = gzip(&idx(&[3, 2, 2], &[7; 12]));
    let cut = refused(TRAIN.images[0], &packed[..packed.len() - 9]);
    assert!(cut.starts_with("is truncated: "), "{cut}");
    let checksum = packed.len() - 6;
    packed[checksum] ^= 0xff;
    let text = refused(TRAIN.images[0], &packed);
    assert!(text.starts_with("has corrupt gzip data after 28 unpacked bytes: "), "{text}");
}

#[test]
fn the_wrong_file_is_told_by_what_it_is() {
    let labels = idx(&[3], &[0, 1, 2]);
    assert_eq!(refused(TRAIN.images[0], &labels), "is a file of labels, not of images");
    let images = idx(&[3, 2, 2], &[7; 12]);
    assert_eq!(refused(TRAIN.labels[0], &images), "is a file of images, not of labels");
    let table = idx(&[3, 2], &[7; 6]);
    assert_eq!(refused(TRAIN.images[0], &table), "holds 2-dimensional data, not images");
    let png = b"\x89PNG\r\n\x1a\n";
    assert_eq!(refused(TRAIN.images[0], png), "is not an IDX file: it starts with 89 50 4e 47, not 00 00 08");
    let floats = [0, 0, 0x0d, 3, 0, 0, 0, 1];
    let message = "holds 32-bit floats (IDX type 0x0d), not unsigned bytes (IDX type 0x08)";
    assert_eq!(refused(TRAIN.images[0], &floats), message);
    let unknown = [0, 0, 0x7f, 3];
    assert!(
        refused(TRAIN.images[0], &unknown).starts_with("holds numbers of an unknown type (IDX type 0x7f)")
    );
}

#[test]
fn a_header_that_lies_is_refused_without_the_memory_it_asks_for() {
    let huge = idx(&[u32::MAX, u32::MAX, u32::MAX], &[1, 2, 3]);
    assert!(refused(TRAIN.images[0], &huge).starts_with("declares 792281"));
    let large = idx(&[1 << 20, 16, 32], &[1, 2, 3]);
    assert_eq!(refused(TRAIN.images[0], &large), "is truncated: 536870928 bytes expected, 19 found");
    assert_eq!(refused(TRAIN.images[0], &idx(&[0, 28, 28], &[])), "holds no pixels: 0 images of 28x28");
    assert_eq!(refused(TRAIN.images[0], &idx(&[3, 0, 28], &[])), "holds no pixels: 3 images of 0x28");
}

#[test]
fn files_that_do_not_fit_together_are_told() {
    let two = refused(TRAIN.labels[0], &idx(&[2], &[1, 2]));
    assert!(two.starts_with("has 2 labels, but ") && two.ends_with("idx3-ubyte has 3 images"), "{two}");
    let letter = refused(TEST.labels[0], &idx(&[2], &[1, 26]));
    assert_eq!(letter, "sample 1 has label 26; labels are 0 to 9");
    let dir = small();
    dir.write(TEST.images[0], &idx(&[2, 1, 4], &[0; 8]));
    let text = mnist(dir.path()).unwrap_err().to_string();
    assert!(text.ends_with(": training images are 2x2, test images 1x4"), "{text}");
}
