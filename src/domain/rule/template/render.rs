//! Pieces filled in.

use super::parse::{Command, Operand, Piece, Pipe};
use super::{Filling, functions, number};

/// What a part of a template amounts to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(f64),
    /// A number that was written without a fraction.
    Whole(f64),
    Truth(bool),
    /// By name.
    Labels(Vec<(String, String)>),
}

impl Value {
    /// As it is shown.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(value) | Self::Whole(value) => number::general(*value, None),
            Self::Truth(value) => value.to_string(),
            Self::Labels(labels) => {
                let pairs: Vec<String> =
                    labels.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                format!("map[{}]", pairs.join(" "))
            }
        }
    }

    /// The number that it is, or that its text stands for.
    pub(super) fn number(&self) -> Result<f64, String> {
        match self {
            Self::Number(value) | Self::Whole(value) => Ok(*value),
            Self::Text(text) => text.parse().map_err(|_| format!("`{text}` is no number")),
            Self::Truth(_) | Self::Labels(_) => Err(format!("`{}` is no number", self.shown())),
        }
    }

    /// Whether a condition holds by it.
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Number(value) | Self::Whole(value) => *value != 0.0,
            Self::Truth(value) => *value,
            Self::Labels(labels) => !labels.is_empty(),
        }
    }

    /// What Go calls its type.
    pub(super) fn go_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Number(_) => "float64",
            Self::Whole(_) => "int",
            Self::Truth(_) => "bool",
            Self::Labels(_) => "map[string]string",
        }
    }
}

/// Appends what `pieces` amount to.
pub(super) fn pieces(
    pieces: &[Piece],
    filling: Filling<'_>,
    text: &mut String,
) -> Result<(), String> {
    for piece in pieces {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Value(value) => text.push_str(&pipe(value, filling)?.shown()),
            Piece::If { cases, otherwise } => {
                let mut chosen = otherwise;
                for (condition, inner) in cases {
                    if pipe(condition, filling)?.holds() {
                        chosen = inner;
                        break;
                    }
                }
                self::pieces(chosen, filling, text)?;
            }
        }
    }
    Ok(())
}

fn pipe(Pipe(commands): &Pipe, filling: Filling<'_>) -> Result<Value, String> {
    let mut last: Option<Value> = None;
    for Command { function, operands } in commands {
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            arguments.push(value(operand, filling)?);
        }
        arguments.extend(last.take());
        last = match function {
            Some(name) => Some(functions::call(name, &arguments)?),
            None => arguments.pop(),
        };
    }
    last.ok_or_else(|| "there is nothing to show".to_owned())
}

fn value(operand: &Operand, filling: Filling<'_>) -> Result<Value, String> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(match operand {
        Operand::Text(text) => Value::Text(text.clone()),
        Operand::Number(number) => Value::Number(*number),
        Operand::Whole(number) => Value::Whole(*number),
        Operand::Truth(truth) => Value::Truth(*truth),
        Operand::Value => Value::Number(filling.value),
        Operand::Labels => Value::Labels(filling.labels.iter().map(owned).collect()),
        Operand::Label(name) => Value::Text(filling.labels.value(name).to_owned()),
        Operand::ExternalLabels => {
            let pairs = filling.external_labels.iter();
            Value::Labels(pairs.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        Operand::ExternalLabel(name) => {
            Value::Text(filling.external_labels.get(name).cloned().unwrap_or_default())
        }
        Operand::ExternalUrl => Value::Text(filling.external_url.to_owned()),
        Operand::Nested(inner) => pipe(inner, filling)?,
    })
}
