//! A curve from CSV with a header.

use super::{Column, Curve};
use crate::{Error, Result};
use csv::{ReaderBuilder, StringRecord, Trim};

/// Where the wanted columns are, by their place in a row.
struct Places {
    lr: usize,
    loss: usize,
    accuracy: Option<usize>,
    smoothed: Option<usize>,
}

pub(super) fn parse(name: &str, text: &str) -> Result<Curve> {
    let mut reader = ReaderBuilder::new()
        .trim(Trim::All)
        .flexible(true)
        .delimiter(delimiter(text))
        .from_reader(text.as_bytes());
    let broken = |e: csv::Error| Error::data(name, e.to_string());
    let header = reader.headers().map_err(broken)?.clone();
    let places = Places::new(name, &header)?;
    let mut curve = Curve {
        name: name.into(),
        lr: vec![],
        loss: vec![],
        accuracy: Some(vec![]),
        smoothed: Some(vec![]),
        optimizer: None,
    };
    for record in reader.records() {
        add(&mut curve, &places, &header, &record.map_err(broken)?)?;
    }
    Ok(curve)
}

/// What stands between the names of the header.
fn delimiter(text: &str) -> u8 {
    let header = text.trim_start().lines().next().unwrap_or_default();
    let delimiters = [b',', b';', b'\t'];
    delimiters.into_iter().find(|&d| header.contains(char::from(d))).unwrap_or(b',')
}

impl Places {
    fn new(name: &str, header: &StringRecord) -> Result<Self> {
        if header.iter().all(|field| field.parse::<f64>().is_ok()) {
            let detail = "is a row of numbers, not of names; begin with a line such as `lr,loss`";
            return Err(Error::data(format!("{name}:1"), detail));
        }
        let needed = |column: Column| {
            column.find(header.iter()).ok_or_else(|| {
                let found: Vec<_> = header.iter().map(|name| format!("`{name}`")).collect();
                let line = header.position().map_or(1, |p| p.line());
                let detail = format!("the header has {}", column.missing(&found.join(", ")));
                Error::data(format!("{name}:{line}"), detail)
            })
        };
        let [lr, loss] = Column::NEEDED.map(needed);
        let [accuracy, smoothed] = Column::OPTIONAL.map(|column| column.find(header.iter()));
        Ok(Self { lr: lr?, loss: loss?, accuracy, smoothed })
    }
}

/// Adds a row. A column that is optional and has a gap is given up.
fn add(curve: &mut Curve, places: &Places, header: &StringRecord, row: &StringRecord) -> Result<()> {
    let line = row.position().map_or(0, |p| p.line());
    let name = format!("{}:{line}", curve.name);
    if row.len() != header.len() {
        let detail = format!("has {} fields, the header {}", row.len(), header.len());
        return Err(Error::data(name, detail));
    }
    let number = |place: usize| {
        let (column, text) = (&header[place], &row[place]);
        text.parse::<f64>().map_err(|_| match text {
            "" => Error::data(&name, format!("{column}: is empty; write nan for a loss that is not finite")),
            _ => Error::data(&name, format!("{column}: `{text}` is not a number")),
        })
    };
    curve.lr.push(number(places.lr)?);
    curve.loss.push(number(places.loss)?);
    for (values, place) in [(&mut curve.accuracy, places.accuracy), (&mut curve.smoothed, places.smoothed)] {
        let place = place.filter(|&place| !row[place].is_empty());
        match (values.as_mut(), place) {
            (Some(values), Some(place)) => values.push(number(place)?),
            _ => *values = None,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse("curve.csv", text).expect_err("refused").to_string()
    }

    #[test]
    fn numbers_come_as_they_are() {
        let text = "step,lr,loss,accuracy\n0, 1e-7 ,2.5,0.5\n\n1,2e-7,NaN,0.25\n2,3e-7,inf,1\n";
        let curve = parse("f", text).expect("read");
        assert_eq!(curve.lr, [1e-7, 2e-7, 3e-7]);
        assert!(curve.loss[0] == 2.5 && curve.loss[1].is_nan() && curve.loss[2] == f64::INFINITY);
        assert_eq!((curve.accuracy, curve.smoothed), (Some(vec![0.5, 0.25, 1.0]), None));
    }

    #[test]
    fn other_delimiters_are_seen() {
        for text in ["lr;loss\n1;2\n", "lr\tloss\n1\t2\n"] {
            assert_eq!(parse("f", text).expect("read").loss, [2.0]);
        }
    }

    #[test]
    fn a_gap_gives_up_an_optional_column() {
        let curve = parse("f", "lr,loss,accuracy\n1,2,0.5\n2,2,\n3,2,0.7\n").expect("read");
        assert_eq!((curve.accuracy, curve.loss.len()), (None, 3));
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_column() {
        assert_eq!(refused("lr,loss\n1,2\n2,abc\n"), "curve.csv:3: loss: `abc` is not a number");
        assert!(refused("lr,train_loss\n1,\n").starts_with("curve.csv:2: train_loss: is empty; write nan"));
        assert_eq!(refused("lr,loss\n1,2,3\n"), "curve.csv:2: has 3 fields, the header 2");
        assert!(refused("a,b\n1,2\n").starts_with("curve.csv:1: the header has no lr; found `a`, `b` (also"));
        assert!(refused("lr,b\n1,2\n").starts_with("curve.csv:1: the header has no loss; found `lr`, `b`"));
        assert_eq!(
            refused("lr,loss,acc\n1,2,x\n"),
            "curve.csv:2: acc: `x` is not a number",
            "also in a column that is optional"
        );
    }
}
