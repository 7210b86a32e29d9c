//! A profile of the AWS programs: settings in two files of sections and lines `name = value`.
//!
//! Invariant: a message about a file names the file, never what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::ObjectError;

/// What is taken from a profile, and the variable that stands for it.
const NAMES: [(&str, &str); 5] = [
    ("aws_access_key_id", "AWS_ACCESS_KEY_ID"),
    ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ("aws_session_token", "AWS_SESSION_TOKEN"),
    ("region", "AWS_REGION"),
    ("endpoint_url", "AWS_ENDPOINT_URL"),
];

/// The settings of the profile that the variables name, by the names of variables.
pub(crate) fn read(variables: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ObjectError> {
    let named = variables.get("AWS_PROFILE").map(String::as_str);
    let profile = named.unwrap_or("default");
    let home = variables.get("HOME").map(PathBuf::from);
    let file = |variable: &str, name: &str| {
        let chosen = variables.get(variable).map(PathBuf::from);
        chosen.or_else(|| home.as_ref().map(|home| home.join(".aws").join(name)))
    };
    let files = [
        (file("AWS_CONFIG_FILE", "config"), format!("profile {profile}")),
        (file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), profile.to_owned()),
    ];
    let mut settings = BTreeMap::new();
    let mut found = false;
    for (path, section) in files {
        let Some(path) = path else { continue };
        let Some(text) = text_of(&path)? else { continue };
        // In the file of settings the section of the usual profile has its bare name.
        found |= add_section(&text, &[&section, profile], &mut settings);
    }
    match named {
        Some(named) if !found => Err(ObjectError::NoProfile { name: named.to_owned() }),
        _ => Ok(settings),
    }
}

fn text_of(path: &Path) -> Result<Option<String>, ObjectError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ObjectError::File { path: path.to_owned(), source }),
    }
}

fn add_section(text: &str, sections: &[&str], settings: &mut BTreeMap<String, String>) -> bool {
    let (mut inside, mut found) = (false, false);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = sections.contains(&section.trim());
            found |= inside;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| inside) {
            let variable = NAMES.iter().find(|(known, _)| *known == name.trim());
            if let Some((_, variable)) = variable {
                settings.insert((*variable).to_owned(), value.trim().to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_read_and_no_other() {
        let text = "[default]\nregion = eu\n# region = no\n[profile night]\naws_access_key_id=K\n\
                    aws_secret_access_key = a/b=c \nother = x\n[profile day]\nregion=us\n";
        let mut settings = BTreeMap::new();
        assert!(add_section(text, &["profile night", "night"], &mut settings));
        let pairs: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("AWS_ACCESS_KEY_ID", "K"), ("AWS_SECRET_ACCESS_KEY", "a/b=c")]);
        assert!(!add_section(text, &["profile none", "none"], &mut settings));
    }

    #[test]
    fn a_named_profile_must_be_there() {
        let variables = BTreeMap::from([
            ("AWS_PROFILE".to_owned(), "night".to_owned()),
            ("AWS_CONFIG_FILE".to_owned(), "/nowhere/config".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), "/nowhere/credentials".to_owned()),
        ]);
        assert!(matches!(read(&variables), Err(ObjectError::NoProfile { name }) if name == "night"));
    }
}
