//! Finding a data file, and reading it whole, gzipped or not, without believing what it says about its size.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// The most that a file may unpack to: 1 GiB, over twenty times MNIST.
const MAX_BYTES: u64 = 1 << 30;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// A data file being read: its bytes after unpacking, and its path for messages.
pub(crate) struct DataFile {
    path: PathBuf,
    reader: Box<dyn Read>,
    gzip: bool,
    /// How many bytes were read so far, after unpacking.
    got: u64,
}

impl DataFile {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::data(path.display().to_string(), "is a folder; name a file in it"));
        }
        Self::new(path, File::open(path).map_err(|error| Error::io(path, error))?)
    }

    /// Looks at the first bytes (not at the name, which is for messages) to see whether they are gzipped.
    pub(crate) fn new(path: &Path, from: impl Read + 'static) -> Result<Self> {
        let failed = |error| Error::io(path, error);
        let mut buffered = BufReader::new(from);
        let gzip = buffered.fill_buf().map_err(failed)?.starts_with(GZIP_MAGIC);
        let reader: Box<dyn Read> =
            if gzip { Box::new(MultiGzDecoder::new(buffered)) } else { Box::new(buffered) };
        Ok(Self { path: path.to_owned(), reader, gzip, got: 0 })
    }

    /// An error about this file.
    pub(super) fn error(&self, detail: impl Into<String>) -> Error {
        Error::data(self.path.display().to_string(), detail)
    }

    /// The next `N` bytes.
    pub(super) fn header<const N: usize>(&mut self) -> Result<[u8; N]> {
        let expected = self.got + N as u64;
        let bytes = self.read(N as u64, Some(expected))?;
        bytes.try_into().map_err(|_| match self.got {
            0 => self.error("is empty"),
            got => self.error(format!("is truncated: its header has {expected} bytes, the file {got}")),
        })
    }

    /// The rest of the file, which has to be exactly `len` bytes. Memory grows with what the file really
    /// holds, never with `len`, which may come from a header that lies.
    pub(super) fn body(&mut self, len: u128) -> Result<Vec<u8>> {
        let expected = u128::from(self.got) + len;
        let expected = match u64::try_from(expected) {
            Ok(expected) if expected <= MAX_BYTES => expected,
            _ => return Err(self.error(format!("declares {expected} bytes; the limit is {MAX_BYTES}"))),
        };
        let bytes = self.read(expected - self.got + 1, Some(expected))?;
        match self.got {
            got if got < expected => {
                Err(self.error(format!("is truncated: {expected} bytes expected, {got} found")))
            }
            got if got > expected => {
                Err(self.error(format!("has trailing bytes: {expected} bytes expected, more found")))
            }
            _ => Ok(bytes),
        }
    }

    /// The rest of the file, whatever its length up to the limit.
    pub(crate) fn rest(&mut self) -> Result<Vec<u8>> {
        let bytes = self.read(MAX_BYTES + 1, None)?;
        if self.got > MAX_BYTES {
            return Err(self.error(format!("holds more than {MAX_BYTES} bytes, the limit")));
        }
        Ok(bytes)
    }

    /// Up to `limit` bytes; fewer only at the end of the file. `expected` is for the message.
    fn read(&mut self, limit: u64, expected: Option<u64>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let outcome = self.reader.by_ref().take(limit).read_to_end(&mut bytes);
        self.got += bytes.len() as u64;
        outcome.map_err(|error| self.failed(error, expected))?;
        Ok(bytes)
    }

    /// What the unpacker complains about is the file's fault; anything else is the system's.
    fn failed(&self, error: io::Error, expected: Option<u64>) -> Error {
        let got = self.got;
        match (error.kind(), expected) {
            (ErrorKind::UnexpectedEof, Some(expected)) if self.gzip => self.error(format!(
                "is truncated: {expected} bytes expected, {got} unpacked before its gzip data ends"
            )),
            (ErrorKind::UnexpectedEof, None) if self.gzip => {
                self.error(format!("is truncated: its gzip data ends after {got} unpacked bytes"))
            }
            (ErrorKind::InvalidInput | ErrorKind::InvalidData, _) if self.gzip => {
                self.error(format!("has corrupt gzip data after {got} unpacked bytes: {error}"))
            }
            _ => Error::io(&self.path, error),
        }
    }
}

/// `dir` if it is a directory; else an error that says what it should hold.
pub(super) fn directory<'a>(dir: &'a Path, contents: &str) -> Result<&'a Path> {
    let refused = |what| Error::data(dir.display().to_string(), format!("{what}; it should hold {contents}"));
    match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => Ok(dir),
        Ok(_) => Err(refused("is not a directory")),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(refused("no such directory")),
        Err(error) => Err(Error::io(dir, error)),
    }
}

/// The first of these files that `dir` has, each also looked for with ".gz" behind its name.
pub(super) fn find(dir: &Path, names: &[&str]) -> Option<PathBuf> {
    let with_gz = names.iter().flat_map(|name| [dir.join(name), dir.join(format!("{name}.gz"))]);
    with_gz.into_iter().find(|path| path.is_file())
}

/// As [`find`], but a missing file is an error that lists the names.
pub(super) fn find_required(dir: &Path, names: &[&str]) -> Result<PathBuf> {
    find(dir, names).ok_or_else(|| {
        let detail = format!("has no {}, plain or with .gz", names.join(" or "));
        Error::data(dir.display().to_string(), detail)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TempDir, gzip};
    use super::*;

    fn open(dir: &TempDir, bytes: &[u8]) -> DataFile {
        DataFile::open(&dir.write("file", bytes)).unwrap()
    }

    fn refused(dir: &TempDir, bytes: &[u8], len: u128) -> String {
        let text = open(dir, bytes).body(len).unwrap_err().to_string();
        text.strip_prefix(&format!("{}: ", dir.join("file").display())).expect("the file is named").to_owned()
    }

    #[test]
    fn plain_and_gzipped_bytes_read_the_same_whatever_the_name() {
        let dir = TempDir::new();
        for bytes in
            [b"header body".to_vec(), gzip(b"header body"), [gzip(b"head"), gzip(b"er body")].concat()]
        {
            let mut file = open(&dir, &bytes);
            assert_eq!(&file.header::<7>().unwrap(), b"header ");
            assert_eq!(file.body(4).unwrap(), b"body");
            assert_eq!(open(&dir, &bytes).rest().unwrap(), b"header body");
        }
    }

    #[test]
    fn short_and_long_files_are_told_with_the_bytes_expected() {
        let dir = TempDir::new();
        for bytes in [b"12345".to_vec(), gzip(b"12345")] {
            assert_eq!(refused(&dir, &bytes, 9), "is truncated: 9 bytes expected, 5 found");
            assert_eq!(refused(&dir, &bytes, 4), "has trailing bytes: 4 bytes expected, more found");
        }
    }

    #[test]
    fn short_headers_are_told() {
        let dir = TempDir::new();
        let header = |bytes: &[u8]| open(&dir, bytes).header::<4>().unwrap_err().to_string();
        assert!(header(b"").ends_with("file: is empty"));
        assert!(header(&gzip(b"")).ends_with("file: is empty"));
        assert!(header(b"ab").ends_with("file: is truncated: its header has 4 bytes, the file 2"));
    }

    #[test]
    fn gzip_that_is_cut_or_damaged_is_told() {
        let dir = TempDir::new();
        let noise: Vec<u8> = (0..1000u32).map(|i| (i * i % 251) as u8).collect();
        let packed = gzip(&noise);
        let cut = refused(&dir, &packed[..packed.len() - 3], 1000);
        assert_eq!(cut, "is truncated: 1000 bytes expected, 1000 unpacked before its gzip data ends");
        assert!(
            refused(&dir, &packed[..5], 1000).starts_with("is truncated: 1000 bytes expected, 0 unpacked")
        );
        let rest = open(&dir, &packed[..packed.len() / 2]).rest().unwrap_err().to_string();
        assert!(rest.contains("is truncated: its gzip data ends after "), "{rest}");

        let mut checksum = packed.clone();
        let at = checksum.len() - 8;
        checksum[at] ^= 1;
        let text = refused(&dir, &checksum, 1000);
        assert!(text.starts_with("has corrupt gzip data after 1000 unpacked bytes: "), "{text}");
        let text = refused(&dir, &[&packed[..], b"garbage behind"].concat(), 1000);
        assert!(text.starts_with("has corrupt gzip data after 1000 unpacked bytes: "), "{text}");
    }

    #[test]
    fn a_size_that_no_file_has_is_refused_before_reading() {
        let dir = TempDir::new();
        assert_eq!(refused(&dir, b"x", 1 << 40), "declares 1099511627776 bytes; the limit is 1073741824");
        assert!(refused(&dir, b"x", 1 << 100).starts_with("declares 1267650600228229401496703205376 bytes"));
        assert_eq!(refused(&dir, b"x", 1 << 30), "is truncated: 1073741824 bytes expected, 1 found");
    }

    #[test]
    fn missing_directories_and_files_are_named() {
        let dir = TempDir::new();
        let text = |path: &Path| directory(path, "a.bin").unwrap_err().to_string();
        assert!(text(&dir.join("none")).ends_with("none: no such directory; it should hold a.bin"));
        let file = dir.write("plain", b"");
        assert!(text(&file).ends_with("plain: is not a directory; it should hold a.bin"));
        assert!(directory(dir.path(), "a.bin").is_ok());
        let missing = find_required(dir.path(), &["a", "b"]).unwrap_err().to_string();
        assert!(missing.ends_with(": has no a or b, plain or with .gz"), "{missing}");
        let packed = dir.write("b.gz", b"");
        assert_eq!(find(dir.path(), &["a", "b"]), Some(packed));
    }
}
