//! Whether warnings fail a command that looks at what others wrote: only if the user asks for it. Honest
//! servers, clean stops and crashes leave warnings.

use clap::Args;
use clap::builder::FalseyValueParser;

/// Whether warnings fail.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct StrictArgs {
    /// Let warnings fail as errors do.
    #[arg(long, env = "FM_STRICT", value_parser = FalseyValueParser::new())]
    strict: bool,
}

impl StrictArgs {
    /// Returns how many findings fail.
    pub fn failing(self, errors: u64, warnings: u64) -> u64 {
        if self.strict { errors.saturating_add(warnings) } else { errors }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_fail_only_if_the_user_says_so() {
        let of = |strict| StrictArgs { strict }.failing(0, 2);
        assert_eq!([of(false), of(true)], [0, 2]);
        assert_eq!(StrictArgs::default().failing(3, 2), 3);
    }
}
