//! Tables, and the middle of many numbers.

/// Least, median, greatest.
pub(crate) fn middle(mut numbers: Vec<f64>) -> (f64, f64, f64) {
    numbers.sort_by(f64::total_cmp);
    match numbers[..] {
        [] => (f64::NAN, f64::NAN, f64::NAN),
        [first, .., last] => (first, numbers[numbers.len() / 2], last),
        [only] => (only, only, only),
    }
}

/// Rows of cells; the first column to the left, the others to the right.
pub(crate) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(crate) fn new(header: [&str; COLUMNS]) -> Self {
        Self { rows: vec![header.map(String::from)] }
    }

    pub(crate) fn row(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    pub(crate) fn print(&self) {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                line += &if column == 0 { format!("  {cell:<width$}") } else { format!("  {cell:>width$}") };
            }
            println!("{}", line.trim_end());
        }
    }
}
