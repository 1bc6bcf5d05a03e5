//! A curve as CSV. Numbers have as many digits as they need to come back as they were.

use super::Row;
use crate::finder::{HeldOutPoint, Point};
use serde::Serialize;
use std::io;

const HEADER: [&str; 7] = ["step", "lr", "loss", "smoothed", "accuracy", "grad_norm", "momentum"];
/// Only where they were measured.
const HELD_OUT: [&str; 2] = ["held_out_loss", "held_out_accuracy"];

/// A row, with its setting in front and the held-out loss and accuracy at its end where such are written.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    setting: Option<&'a str>,
    row: Row,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_out: Option<(Option<f64>, Option<f64>)>,
}

/// A setting's name, its points, and its held-out losses.
pub(in crate::cli) type Curve<'a> = (Option<&'a str>, &'a [Point], &'a [HeldOutPoint]);

/// A header and a line for each point, one curve under the other; what was not measured is empty.
///
/// # Errors
/// None that memory does not cause.
pub(in crate::cli) fn rows(curves: &[Curve]) -> io::Result<Vec<u8>> {
    // The header by hand: a curve without points has one too.
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let named = curves.iter().any(|c| c.0.is_some());
    let watched = curves.iter().any(|c| !c.2.is_empty());
    let first = if named { &["setting"][..] } else { &[] };
    let last = if watched { &HELD_OUT[..] } else { &[] };
    writer.write_record(first.iter().chain(&HEADER).chain(last))?;
    for &(setting, points, held_out) in curves {
        for point in points {
            let found = held_out.iter().find(|h| h.step == point.step);
            let measured = (found.map(|h| h.loss), found.and_then(|h| h.accuracy));
            writer.serialize(Line { setting, row: point.into(), held_out: watched.then_some(measured) })?;
        }
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
        let text =
            String::from_utf8(rows(&[(None, &[point], &[])]).expect("memory takes it")).expect("UTF-8");
        let (header, row) = ("step,lr,loss,smoothed,accuracy,grad_norm,momentum", "1.5,0.9");
        assert_eq!(text, format!("{header}\n3,1e-7,0.30000000000000004,2.0,,{row}\n"));
        assert_eq!(rows(&[(None, &[], &[])]).expect("memory takes it"), format!("{header}\n").into_bytes());
    }

    #[test]
    fn held_out_losses_stand_where_they_were_measured() {
        let point = |step| Point {
            step,
            lr: 0.5,
            loss: 1.0,
            smoothed: 1.5,
            accuracy: None,
            grad_norm: None,
            momentum: 0.9,
        };
        let held_out = HeldOutPoint { step: 0, lr: 0.5, loss: 2.25, accuracy: Some(0.75) };
        let points = [point(0), point(1)];
        let text =
            |bytes: io::Result<Vec<u8>>| String::from_utf8(bytes.expect("memory takes it")).expect("UTF-8");
        let (header, measured) =
            ("step,lr,loss,smoothed,accuracy,grad_norm,momentum", "held_out_loss,held_out_accuracy");
        assert_eq!(
            text(rows(&[(None, &points, &[held_out])])),
            format!("{header},{measured}\n0,0.5,1.0,1.5,,,0.9,2.25,0.75\n1,0.5,1.0,1.5,,,0.9,,\n")
        );
        assert_eq!(
            text(rows(&[(Some("64"), &points[..1], &[held_out]), (Some("256"), &points[1..], &[])])),
            format!(
                "setting,{header},{measured}\n64,0,0.5,1.0,1.5,,,0.9,2.25,0.75\n256,1,0.5,1.0,1.5,,,0.9,,\n"
            )
        );
    }
}
