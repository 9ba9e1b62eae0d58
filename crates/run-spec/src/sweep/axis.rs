//! The values of one parameter that a sweep tries.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::random::Random;
use super::search::MAX_TRIALS;
use crate::kind::{ParamDescription, ParamType};

/// The values of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Axis {
    /// These values.
    Values(Vec<Value>),
    /// Any number between two bounds.
    Range(Range),
}

/// A range of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Smallest number.
    pub min: f64,
    /// Greatest number.
    pub max: f64,
    /// Whether the logarithm is drawn uniformly instead of the number.
    #[serde(default)]
    pub log: bool,
}

impl Axis {
    /// Parses the values of the parameter that `description` describes.
    pub(super) fn parse(value: &Value, description: &ParamDescription) -> Result<Self, String> {
        match value {
            Value::Array(values) => {
                if values.is_empty() {
                    return Err("lists no value".to_owned());
                }
                if values.len() > MAX_TRIALS {
                    return Err(format!("lists {} values, more than {MAX_TRIALS}", values.len()));
                }
                let repeated = values.iter().enumerate().find(|(index, value)| values[..*index].contains(value));
                match repeated {
                    Some((_, value)) => Err(format!("lists {value} twice")),
                    None => Ok(Self::Values(values.clone())),
                }
            }
            Value::Object(_) => {
                let range: Range = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
                range.check(description)?;
                Ok(Self::Range(range))
            }
            _ => Err(format!("must be a list of values such as [0.1, 1], or a range such as {{\"min\": 0.01, \"max\": 1}}, not {value}")),
        }
    }

    /// Draws a value for the parameter that `description` describes.
    pub(super) fn draw(&self, random: &mut Random, description: &ParamDescription) -> Value {
        match self {
            Self::Values(values) => values[random.index(values.len())].clone(),
            Self::Range(range) => range.draw(random, description.value_type == ParamType::Integer),
        }
    }
}

impl Range {
    fn check(self, description: &ParamDescription) -> Result<(), String> {
        let Self { min, max, log } = self;
        if !matches!(description.value_type, ParamType::Integer | ParamType::Number) {
            return Err(format!("has no range, because it is {}: list its values", description.value_type));
        }
        if !(min.is_finite() && max.is_finite() && min < max) {
            return Err(format!("min must be less than max, not {min} and {max}"));
        }
        if description.value_type == ParamType::Integer && (min.fract() != 0.0 || max.fract() != 0.0) {
            return Err(format!("min and max must be whole numbers, not {min} and {max}"));
        }
        if log && min <= 0.0 {
            return Err(format!("min must be greater than 0 with log, not {min}"));
        }
        let (lowest, highest) = description.range.unwrap_or((f64::MIN, None));
        if min < lowest || highest.is_some_and(|highest| max > highest) {
            let highest =
                highest.map_or_else(|| "of at least".to_owned() + &format!(" {lowest}"), |highest| format!("from {lowest} to {highest}"));
            return Err(format!("min and max must be {highest}, not {min} and {max}"));
        }
        Ok(())
    }

    fn draw(self, random: &mut Random, whole: bool) -> Value {
        let Self { min, max, log } = self;
        // a whole number stands for the range up to the next one
        let end = if whole { max + 1.0 } else { max };
        let fraction = random.fraction();
        let drawn = if log { (min.ln() + fraction * (end.ln() - min.ln())).exp() } else { min + fraction * (end - min) };
        if whole {
            #[expect(clippy::cast_possible_truncation, reason = "the range of a parameter is far smaller than that of i64")]
            let number = drawn.floor().clamp(min, max) as i64;
            return number.into();
        }
        // four digits are enough to tell trials apart, and people can read them
        let rounded: f64 = format!("{drawn:.3e}").parse().unwrap_or(drawn);
        rounded.clamp(min, max).into()
    }
}
