//! Statements that write many rows at once.

use sqlx::sqlite::SqliteConnection;

use super::script::{Script, Value};
use crate::store::Error;

/// One statement in a few sizes. SQLite keeps each prepared, so the sizes are few and fixed.
#[derive(Debug)]
pub(super) struct RowsOf {
    texts: [(usize, String); 4],
}

const SIZES: [usize; 4] = [64, 16, 4, 1];

impl RowsOf {
    /// `head` ends before the first row of `columns` values, `tail` follows the last.
    pub(super) fn new(head: &str, columns: usize, tail: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(", "));
        let text = |size: usize| format!("{head} {} {tail}", vec![row.as_str(); size].join(", "));
        Self { texts: SIZES.map(|size| (size, text(size))) }
    }

    /// Adds the writing of one row.
    pub(super) fn add(&self, script: &mut Script, row: impl Into<Vec<Value>>) {
        let (_, _, text) = self.split(&[()]);
        script.add(text, row);
    }

    /// Writes `rows` with the values that `columns` gives each.
    pub(super) async fn write<T, const N: usize>(
        &self,
        connection: &mut SqliteConnection,
        mut rows: &[T],
        columns: impl Fn(&T) -> [Value; N],
        what: &'static str,
    ) -> Result<(), Error> {
        while !rows.is_empty() {
            let (some, rest, text) = self.split(rows);
            let values: Vec<Value> = some.iter().flat_map(&columns).collect();
            let mut script = Script::default();
            script.add(text, values);
            script.run(&mut *connection, what).await?;
            rows = rest;
        }
        Ok(())
    }

    /// As many rows as fit the largest statement that they fill, the rest, and that statement.
    /// `rows` must not be empty.
    pub(super) fn split<'r, T>(&self, rows: &'r [T]) -> (&'r [T], &'r [T], &str) {
        let fitting = self.texts.iter().find(|(size, _)| *size <= rows.len());
        let (size, text) = fitting.expect("the smallest statement has one row");
        let (some, rest) = rows.split_at(*size);
        (some, rest, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_in_order_and_in_few_sizes() {
        let statement = RowsOf::new("INSERT INTO t VALUES", 2, "RETURNING x");
        let all: Vec<usize> = (0..150).collect();
        let (mut rest, mut seen, mut sizes) = (all.as_slice(), Vec::new(), Vec::new());
        while !rest.is_empty() {
            let (some, others, _) = statement.split(rest);
            seen.extend_from_slice(some);
            sizes.push(some.len());
            rest = others;
        }
        assert_eq!(seen, all);
        assert_eq!(sizes, [64, 64, 16, 4, 1, 1]);
        let (_, _, text) = statement.split(&all[..1]);
        assert_eq!(text, "INSERT INTO t VALUES (?, ?) RETURNING x");
    }
}
