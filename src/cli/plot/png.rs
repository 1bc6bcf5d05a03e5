//! Pixels as a PNG file.

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::Write;

/// Two pixels to each of CSS' 96 to the inch, in pixels a metre: viewers that honour it show the page at its size.
const DENSITY: u32 = 7559;

/// Encodes rows of RGB bytes.
pub(super) fn encode(rgb: &[u8], width: u32, height: u32) -> std::io::Result<Vec<u8>> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    // Eight bits a channel, RGB; then compression, filter and interlace, of which each has only one kind or is off.
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let density = [&DENSITY.to_be_bytes()[..], &DENSITY.to_be_bytes(), &[1]].concat();
    chunk(&mut out, b"IHDR", &header);
    chunk(&mut out, b"pHYs", &density);
    chunk(&mut out, b"IDAT", &compress(rgb, width as usize * 3)?);
    chunk(&mut out, b"IEND", &[]);
    Ok(out)
}

/// Rows as differences from the row above (filter 2): pictures of lines are mostly equal rows.
fn compress(rgb: &[u8], stride: usize) -> std::io::Result<Vec<u8>> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    let mut above = vec![0; stride];
    for row in rgb.chunks_exact(stride) {
        let changes: Vec<u8> =
            row.iter().zip(&above).map(|(&now, &before)| now.wrapping_sub(before)).collect();
        zlib.write_all(&[2])?;
        zlib.write_all(&changes)?;
        above.copy_from_slice(row);
    }
    zlib.finish()
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    out.extend_from_slice(&(data.len() as u32).to_be_bytes());
    out.extend_from_slice(kind);
    out.extend_from_slice(data);
    out.extend_from_slice(&crc.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn rows_come_back() {
        let rgb: Vec<u8> = (0..24).map(|i| i * 9).collect();
        let file = encode(&rgb, 4, 2).expect("memory takes it");
        assert_eq!(&file[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&file[12..24], [&b"IHDR"[..], &[0, 0, 0, 4, 0, 0, 0, 2]].concat());
        let body = compress(&rgb, 12).expect("memory takes it");
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(&body[..]).read_to_end(&mut rows).expect("zlib reads its own");
        assert_eq!((rows[0], &rows[1..13]), (2, &rgb[..12]));
        let second: Vec<u8> = (0..12).map(|i| rows[14 + i].wrapping_add(rgb[i])).collect();
        assert_eq!((rows[13], &second[..]), (2, &rgb[12..]));
    }

    #[test]
    fn a_chunk_has_the_published_checksum() {
        let mut out = Vec::new();
        chunk(&mut out, b"IEND", &[]);
        assert_eq!(out, [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xAE, 0x42, 0x60, 0x82]);
    }
}
