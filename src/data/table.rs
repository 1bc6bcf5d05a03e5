//! Tables of numbers: CSV in which one column is the class.

use super::{Dataset, Inputs, Targets};
use crate::error::{Error, Result};
use csv::{ReaderBuilder, StringRecord, Trim};

/// A dataset from CSV, and the names of its classes. The column `target` (by its name, or the last) is the class, written as a
/// word or as a whole number; all others are finite numbers, and each is brought to mean 0 and deviation 1. A first row that is
/// not all numbers is a header. Classes are in the order of their numbers, or of the alphabet.
///
/// `name` is what messages call the table. Commas, semicolons and tabs are understood.
///
/// # Errors
///
/// [`Error::Data`] with the line and the column of the first cell that does not fit, or the reason why the target is no class.
pub fn csv(name: &str, text: &str, target: Option<&str>) -> Result<(Dataset, Vec<String>)> {
    let text = text.trim_start_matches('\u{feff}');
    let mut rows = rows(name, text)?;
    let Some(first) = rows.first() else { return Err(Error::data(name, "has no rows")) };
    let width = first.cells.len();
    if width < 2 {
        return Err(Error::data(name, "has one column; the class and at least one number are needed"));
    }
    let number = |cell: &str| cell.parse::<f64>().is_ok_and(f64::is_finite);
    let mut others = first.cells.iter().enumerate().filter(|(column, _)| column + 1 != width);
    let header = (target.is_some() || !others.all(|(_, cell)| number(cell))).then(|| rows.remove(0));
    let place = match (target, &header) {
        (Some(target), Some(header)) => {
            header.cells.iter().position(|cell| cell == target).ok_or_else(|| {
                let found: Vec<_> = header.cells.iter().map(|cell| format!("`{cell}`")).collect();
                Error::data(name, format!("has no column `{target}`; the first row has {}", found.join(", ")))
            })?
        }
        _ => width - 1,
    };
    let mut inputs = Vec::with_capacity(rows.len() * (width - 1));
    for row in &rows {
        check_width(name, row, width)?;
        for (column, cell) in row.cells.iter().enumerate().filter(|(column, _)| *column != place) {
            let value = cell.parse::<f64>().ok().filter(|v| v.is_finite());
            inputs
                .push(value.ok_or_else(|| wrong(name, row, header.as_ref(), column, "is no finite number"))?);
        }
    }
    let classes = classes(name, &rows, header.as_ref(), place)?;
    let label = |row: &Row| classes.iter().position(|class| *class == row.cells[place]).unwrap_or(0) as u32;
    let targets = Targets::Classes { labels: rows.iter().map(label).collect(), classes: classes.len() };
    standardize(&mut inputs, width - 1);
    let inputs = Inputs::F32(inputs.into_iter().map(|v| v as f32).collect());
    Ok((Dataset::new(name, [width - 1], inputs, targets)?, classes))
}

/// The cells of a row, and its line, from 1.
struct Row {
    line: u64,
    cells: StringRecord,
}

/// Every row that is not empty.
fn rows(name: &str, text: &str) -> Result<Vec<Row>> {
    let first = text.trim_start().lines().next().unwrap_or_default();
    let delimiter = [b';', b'\t'].into_iter().find(|&d| first.contains(char::from(d))).unwrap_or(b',');
    let mut reader = ReaderBuilder::new();
    reader.trim(Trim::All).flexible(true).has_headers(false).delimiter(delimiter);
    let row = |cells: StringRecord| {
        let (line, byte) = cells.position().map_or((0, 0), |p| (p.line(), p.byte() as usize));
        // The reader counts from where it looked for the row: the empty lines before it are still to come.
        let ends = text.bytes().skip(byte).take_while(|b| b.is_ascii_whitespace()).filter(|b| *b == b'\n');
        Row { line: line + ends.count() as u64, cells }
    };
    let records = reader.from_reader(text.as_bytes()).into_records();
    records.map(|record| record.map(row).map_err(|e| Error::data(name, e.to_string()))).collect()
}

fn check_width(name: &str, row: &Row, width: usize) -> Result<()> {
    if row.cells.len() == width {
        return Ok(());
    }
    let detail = format!("has {} columns, the first row {width}", row.cells.len());
    Err(Error::data(format!("{name}, line {}", row.line), detail))
}

/// "CSV, line 3, column 2 (width): `abc` is no finite number".
fn wrong(name: &str, row: &Row, header: Option<&Row>, column: usize, what: &str) -> Error {
    let title =
        header.and_then(|h| h.cells.get(column)).map(|title| format!(" ({title})")).unwrap_or_default();
    let place = format!("{name}, line {}, column {}{title}", row.line, column + 1);
    let cell = row.cells.get(column).unwrap_or_default();
    Error::data(place, if cell.is_empty() { "is empty".into() } else { format!("`{cell}` {what}") })
}

/// The different cells of a column, in order.
fn classes(name: &str, rows: &[Row], header: Option<&Row>, place: usize) -> Result<Vec<String>> {
    let mut classes: Vec<&str> = rows.iter().map(|row| &row.cells[place]).collect();
    classes.sort_unstable();
    classes.dedup();
    let numbers: Option<Vec<f64>> = classes.iter().map(|class| class.parse().ok()).collect();
    for row in rows {
        let broken = row.cells[place].parse::<f64>().is_ok_and(|v| v.fract() != 0.0);
        if row.cells[place].is_empty() || (numbers.is_some() && broken) {
            return Err(wrong(name, row, header, place, "is no class; a word or a whole number is"));
        }
    }
    if numbers.is_some() {
        let value = |class: &&str| class.parse().unwrap_or(f64::NAN);
        classes.sort_by(|a, b| f64::total_cmp(&value(a), &value(b)));
    }
    Ok(classes.into_iter().map(str::to_owned).collect())
}

/// Each column to mean 0 and deviation 1 (the population's); one that does not vary, to 0.
fn standardize(values: &mut [f64], width: usize) {
    let n = (values.len() / width) as f64;
    for column in 0..width {
        let of = |values: &[f64], f: &dyn Fn(f64) -> f64| {
            values.iter().skip(column).step_by(width).map(|&v| f(v)).sum::<f64>() / n
        };
        let mean = of(values, &|v| v);
        let deviation = of(values, &|v| (v - mean).powi(2)).sqrt();
        let scale = if deviation > 1e-12 * mean.abs() { 1.0 / deviation } else { 0.0 };
        values.iter_mut().skip(column).step_by(width).for_each(|v| *v = (*v - mean) * scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Dataset, Vec<String>) {
        csv("CSV", text, None).expect("read")
    }

    fn labels(data: &Dataset) -> Vec<u32> {
        match data.targets() {
            Targets::Classes { labels, .. } => labels.clone(),
            Targets::Values { .. } => vec![],
        }
    }

    fn refused(text: &str) -> String {
        csv("CSV", text, None).expect_err("refused").to_string()
    }

    #[test]
    fn columns_are_standardized_and_classes_sorted() {
        let (data, names) = read("x,y,kind\n1,100,b\n3,300,a\n1,300,b\n3,100,a\n");
        assert_eq!((data.len(), data.shape()), (4, &[2][..]));
        assert_eq!((names, labels(&data)), (vec!["a".to_owned(), "b".into()], vec![1, 0, 1, 0]));
        assert_eq!(data.inputs(), &Inputs::F32(vec![-1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0, -1.0]));
    }

    #[test]
    fn a_header_may_be_missing_and_numbers_are_classes_in_their_order() {
        let (data, names) = read("1;7;10\n2;7;9\n\n3;7;10\n");
        assert_eq!((names, labels(&data)), (vec!["9".to_owned(), "10".into()], vec![1, 0, 1]));
        let Inputs::F32(values) = data.inputs() else { panic!("floats") };
        assert_eq!([values[1], values[3], values[5]], [0.0; 3], "a column that does not vary");
    }

    #[test]
    fn any_column_can_be_the_class() {
        let (data, names) = csv("CSV", "kind\tx\nu\t1\nv\t2\n", Some("kind")).expect("read");
        assert_eq!((data.shape(), names.len(), labels(&data)), (&[1][..], 2, vec![0, 1]));
        let missing = csv("CSV", "kind,x\nu,1\n", Some("sort")).expect_err("refused").to_string();
        assert_eq!(missing, "CSV: has no column `sort`; the first row has `kind`, `x`");
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_column() {
        assert_eq!(
            refused("x,y,k\n1,2,a\n\n1,abc,a\n"),
            "CSV, line 4, column 2 (y): `abc` is no finite number"
        );
        assert_eq!(refused("1,2,0\n1,,0\n"), "CSV, line 2, column 2: is empty");
        assert_eq!(refused("1,2,0\n1,inf,0\n"), "CSV, line 2, column 2: `inf` is no finite number");
        assert_eq!(refused("1,2,0\n1,0\n"), "CSV, line 2: has 2 columns, the first row 3");
        assert!(refused("1,0.5\n1,1\n").starts_with("CSV, line 1, column 2: `0.5` is no class"));
        assert_eq!(refused("x,k\n1,\n"), "CSV, line 2, column 2 (k): is empty");
        assert!(refused("").contains("no rows") && refused("1\n2\n").contains("one column"));
        assert!(refused("x,k\n").contains("no samples"), "{}", refused("x,k\n"));
    }
}
