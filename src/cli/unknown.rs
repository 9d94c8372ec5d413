//! An option that no command has, where it is a setting of the file → clap's error with the `--set` that is meant.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::experiment::paths::setting;

/// The error with a tip, if the option that is unknown is the name of a setting. `arguments` are those of the process.
pub fn advised(mut error: clap::Error, arguments: &[String]) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return error };
    let (option, given) = match option.split_once('=') {
        Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
        None => (option.clone(), None),
    };
    let Some(path) = option.strip_prefix("--").and_then(setting) else { return error };
    let place = arguments.iter().position(|argument| argument.split('=').next() == Some(option.as_str()));
    let behind = place.and_then(|at| match arguments[at].split_once('=') {
        Some((_, value)) => Some(value.to_owned()),
        None => arguments.get(at + 1).filter(|next| !next.starts_with('-')).cloned(),
    });
    let value = given.or(behind).unwrap_or_else(|| "…".to_owned());
    let tip = StyledStr::from(format!("a setting of the file is changed by `--set {path}={value}`"));
    error.remove(ContextKind::SuggestedArg);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    error
}
