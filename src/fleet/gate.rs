//! How many failures a wave may have for the next one to start.

use std::fmt;
use std::str::FromStr;

/// The failures that are allowed: a number, or a part of the targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxFailures {
    /// So many.
    Count(usize),
    /// So many of a hundred.
    Percent(u8),
}

impl Default for MaxFailures {
    fn default() -> Self {
        Self::Count(0)
    }
}

impl MaxFailures {
    /// Whether so many failures of so many targets are allowed.
    pub fn allows(self, failed: usize, of: usize) -> bool {
        match self {
            Self::Count(most) => failed <= most,
            Self::Percent(most) => {
                failed.saturating_mul(100) <= of.saturating_mul(usize::from(most))
            }
        }
    }
}

impl FromStr for MaxFailures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_suffix('%').unwrap_or(text);
        let number = Some(digits).filter(|it| it.bytes().all(|it| it.is_ascii_digit()));
        let number = number.and_then(|it| it.parse::<usize>().ok());
        match number {
            None => Err("write it as a number or a percentage, such as 3 or 10%".to_owned()),
            Some(number) if text.ends_with('%') => match u8::try_from(number) {
                Ok(percent) if percent <= 100 => Ok(Self::Percent(percent)),
                _ => Err("a percentage is at most 100%".to_owned()),
            },
            Some(number) => Ok(Self::Count(number)),
        }
    }
}

impl fmt::Display for MaxFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(most) => write!(f, "{most}"),
            Self::Percent(most) => write!(f, "{most}%"),
        }
    }
}

/// What stands between one wave and the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The failures that are allowed.
    pub most: MaxFailures,
    /// The failures of the wave.
    pub failed: usize,
    /// The targets of the wave.
    pub of: usize,
}

impl Gate {
    /// Whether the next wave starts.
    pub fn is_open(self) -> bool {
        self.most.allows(self.failed, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_a_number_or_a_percentage() {
        for (text, expected) in [
            ("0", MaxFailures::Count(0)),
            ("17", MaxFailures::Count(17)),
            ("0%", MaxFailures::Percent(0)),
            ("100%", MaxFailures::Percent(100)),
        ] {
            assert_eq!(text.parse(), Ok(expected));
            assert_eq!(expected.to_string(), text);
        }
        for bad in ["", "%", "101%", "999%", "-1", "+1", "1.5%", "ten", "1 %", "10%%"] {
            assert!(bad.parse::<MaxFailures>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_percentage_is_of_the_targets_and_never_rounded_up() {
        let ten = MaxFailures::Percent(10);
        assert!(ten.allows(2, 20) && !ten.allows(3, 20));
        assert!(ten.allows(0, 9) && !ten.allows(1, 9), "one of nine is more than a tenth");
        assert!(ten.allows(0, 0) && MaxFailures::Percent(100).allows(5, 5));
        assert!(MaxFailures::default().allows(0, 3) && !MaxFailures::default().allows(1, 3));
    }
}
