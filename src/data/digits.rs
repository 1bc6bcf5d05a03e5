//! The dataset that the crate carries: 1,797 handwritten digits of 8x8 pixels.

use std::io::Read;
use std::sync::OnceLock;

use flate2::read::GzDecoder;

use super::{Dataset, Inputs, Targets};
use crate::error::{Error, Result};

/// Made by `scripts/make-digits.py`: gzip over magic, count (u32, little-endian) and the samples.
static PACKED: &[u8] = include_bytes!("../../assets/digits.bin.gz");

const NAME: &str = "digits";
const MAGIC: &[u8; 8] = b"RFDIGIT1";
const HEADER: usize = MAGIC.len() + 4;
const PIXELS: usize = 64;
const SAMPLE: usize = PIXELS + 1;

/// 1,797 handwritten digits: shape `[1, 8, 8]`, bytes from 0 to 16, 10 classes, standardized over all of
/// them. The order is not random, so [`split`](Dataset::split) rather than cut it.
///
/// The test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, UCI Machine
/// Learning Repository, 1998, CC BY 4.0). It is unpacked once; each call returns a clone with the same id.
pub fn digits() -> Dataset {
    static DIGITS: OnceLock<Dataset> = OnceLock::new();
    // The bytes are part of the program, and a test unpacks them: this cannot fail on a user's machine.
    DIGITS.get_or_init(|| unpack(PACKED).expect("the embedded digits unpack")).clone()
}

fn unpack(packed: &[u8]) -> Result<Dataset> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).map_err(|error| Error::data(NAME, error.to_string()))?;
    let samples = samples(&bytes).ok_or_else(|| Error::data(NAME, "the embedded file is damaged"))?;
    let pixels = samples.iter().flat_map(|sample| &sample[..PIXELS]).copied().collect();
    let labels = samples.iter().map(|sample| u32::from(sample[PIXELS])).collect();
    let targets = Targets::Classes { labels, classes: 10 };
    Ok(Dataset::new(NAME, [1, 8, 8], Inputs::U8(pixels), targets)?.standardized())
}

/// The samples behind a header that fits them.
fn samples(bytes: &[u8]) -> Option<&[[u8; SAMPLE]]> {
    let (magic, rest) = bytes.split_first_chunk::<{ MAGIC.len() }>()?;
    let (count, _) = rest.split_first_chunk::<4>()?;
    let (samples, leftover) = bytes[HEADER..].as_chunks::<SAMPLE>();
    let fits = u32::from_le_bytes(*count) as usize == samples.len() && leftover.is_empty();
    (magic == MAGIC && fits).then_some(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_digits_are_those_of_uci() {
        let digits = digits();
        assert_eq!((digits.len(), digits.shape(), digits.classes()), (1797, &[1, 8, 8][..], Some(10)));
        let Inputs::U8(pixels) = digits.inputs() else { panic!("bytes expected") };
        assert_eq!(pixels[..16], [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]);
        assert_eq!(pixels.iter().max(), Some(&16));
        let Targets::Classes { labels, .. } = digits.targets() else { panic!("classes expected") };
        assert_eq!(labels[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        // The counts that the UCI page gives for its test part.
        let counts: [usize; 10] = std::array::from_fn(|c| labels.iter().filter(|&&l| l == c as u32).count());
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn they_are_standardized() {
        let digits = digits(); // numpy: mean 4.884164579855314, deviation 6.016787548672236
        assert!((digits.scale() - 1.0 / 6.016_787_5).abs() < 1e-7, "{}", digits.scale());
        assert!((digits.shift() + 4.884_164_5 / 6.016_787_5).abs() < 1e-6, "{}", digits.shift());
    }

    #[test]
    fn every_call_is_the_same_data() {
        assert_eq!(digits().id(), digits().id());
    }

    #[test]
    fn the_gzip_header_has_no_name_and_no_time() {
        assert_eq!(PACKED[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        assert!(unpack(&PACKED[..PACKED.len() / 2]).is_err());
        assert!(samples(b"RFDIGIT1\x01\0\0\0").is_none());
        assert!(samples(b"RFDIGIT2\0\0\0\0").is_none());
        assert!(samples(b"RFDIG").is_none());
    }
}
