//! Aligned columns of text.

/// Rows of cells, aligned when shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// Whether each column is aligned to the right, as numbers are.
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads; those that start with `>` stand above numbers.
    pub(crate) fn new(heads: &[&str]) -> Self {
        let right = heads.iter().map(|head| head.starts_with('>')).collect();
        Self { right, rows: vec![heads.iter().map(|head| head.trim_start_matches('>').to_owned()).collect()] }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, indented by two spaces.
    pub(crate) fn show(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::from(" ");
            for ((cell, &width), &right) in row.iter().zip(&widths).zip(&self.right) {
                line.push_str(&if right { format!(" {cell:>width$} ") } else { format!(" {cell:<width$} ") });
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}
