//! A curve as CSV. Numbers have as many digits as they need to come back as they were.

use super::Row;
use crate::finder::Point;
use std::io;

const HEADER: [&str; 7] = ["step", "lr", "loss", "smoothed", "accuracy", "grad_norm", "momentum"];

/// A header and a line for each point; what was not measured is empty.
///
/// # Errors
/// None that memory does not cause.
pub(in crate::cli) fn rows(points: &[Point]) -> io::Result<Vec<u8>> {
    // The header by hand: a curve without points has one too.
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for point in points {
        writer.serialize(Row::from(point))?;
    }
    writer.into_inner().map_err(|e| e.into_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_and_gaps_empty() {
        let point = Point {
            step: 3,
            lr: 1e-7,
            loss: 0.1 + 0.2,
            smoothed: 2.0,
            accuracy: None,
            grad_norm: Some(1.5),
            momentum: 0.9,
        };
        let text = String::from_utf8(rows(&[point]).expect("memory takes it")).expect("UTF-8");
        let (header, row) = ("step,lr,loss,smoothed,accuracy,grad_norm,momentum", "1.5,0.9");
        assert_eq!(text, format!("{header}\n3,1e-7,0.30000000000000004,2.0,,{row}\n"));
        assert_eq!(rows(&[]).expect("memory takes it"), format!("{header}\n").into_bytes());
    }
}
