//! A profile of the AWS programs: settings in two files of sections and lines `name = value`.
//!
//! Invariant: a message about a file names the file, never its content.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::ObjectError;
use crate::settings::has_other_source;

/// The settings that are taken from a profile, and the variables that they replace.
const NAMES: [(&str, &str); 5] = [
    ("aws_access_key_id", "AWS_ACCESS_KEY_ID"),
    ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ("aws_session_token", "AWS_SESSION_TOKEN"),
    ("region", "AWS_REGION"),
    ("endpoint_url", "AWS_ENDPOINT_URL"),
];

/// Settings of profiles whose credentials another program must fetch.
const OF_OTHERS: [(&str, &str); 5] = [
    ("role_arn", "a role (role_arn)"),
    ("sso_session", "a single sign-on (sso_session)"),
    ("sso_start_url", "a single sign-on (sso_start_url)"),
    ("credential_process", "another program (credential_process)"),
    ("login_session", "a login of the AWS programs (login_session)"),
];

/// A section of the two files.
#[derive(Default)]
struct Section {
    settings: BTreeMap<String, String>,
    /// The source of its credentials, if they are not in the section itself.
    other: Option<&'static str>,
}

/// Returns the settings of the profile that the variables name, by the names of variables.
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
    let mut section_found = Section::default();
    let mut found = false;
    for (path, section) in files {
        let Some(path) = path else { continue };
        let Some(text) = text_of(&path)? else { continue };
        // In the config file, the section of the default profile has its bare name.
        found |= add_section(&text, &[&section, profile], &mut section_found);
    }
    let has_key = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        .iter()
        .all(|name| section_found.settings.contains_key(*name) || variables.contains_key(*name));
    let is_role = section_found.other == Some(OF_OTHERS[0].1);
    let name = profile.to_owned();
    match section_found.other {
        _ if named.is_some() && !found => Err(ObjectError::NoProfile { name }),
        // A role is another identity than the key beside it.
        Some(by) if named.is_some() && is_role || !has_key && !has_other_source(variables) => {
            Err(ObjectError::OtherProfile { name, by })
        }
        _ => Ok(section_found.settings),
    }
}

fn text_of(path: &Path) -> Result<Option<String>, ObjectError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ObjectError::File { path: path.to_owned(), source }),
    }
}

fn add_section(text: &str, sections: &[&str], section_found: &mut Section) -> bool {
    let (mut inside, mut found) = (false, false);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = sections.contains(&section.trim());
            found |= inside;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| inside) {
            let variable = NAMES.iter().find(|(known, _)| *known == name.trim());
            if let Some((_, variable)) = variable.filter(|_| !value.trim().is_empty()) {
                section_found.settings.insert((*variable).to_owned(), value.trim().to_owned());
            }
            let other = OF_OTHERS.iter().find(|(known, _)| *known == name.trim());
            section_found.other = section_found.other.or(other.map(|(_, by)| *by));
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
        let mut found = Section::default();
        assert!(add_section(text, &["profile night", "night"], &mut found));
        let pairs: Vec<_> =
            found.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("AWS_ACCESS_KEY_ID", "K"), ("AWS_SECRET_ACCESS_KEY", "a/b=c")]);
        assert!(!add_section(text, &["profile none", "none"], &mut found));
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
    /// Checks the messages for a profile with `line`, without a key beside it and with one.
    #[test]
    fn credentials_that_others_fetch_are_said_to_be_that() {
        let home = std::env::temp_dir().join(format!("fm-profile-{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        let key = "aws_access_key_id = a\naws_secret_access_key = b\n";
        let read_of = |line: &str, key: &str, profile: Option<&str>| {
            let name = if profile.is_some() { "profile night" } else { "default" };
            fs::write(home.join("config"), format!("[{name}]\n{line}\n{key}")).unwrap();
            let mut variables = BTreeMap::from([
                ("AWS_CONFIG_FILE".to_owned(), home.join("config").display().to_string()),
                ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), "/nowhere/credentials".to_owned()),
            ]);
            variables.extend(profile.map(|profile| ("AWS_PROFILE".to_owned(), profile.to_owned())));
            match read(&variables) {
                Err(ObjectError::OtherProfile { by, .. }) => by.to_owned(),
                other => format!("{} settings", other.unwrap().len()),
            }
        };
        for profile in [Some("night"), None] {
            assert_eq!(read_of("sso_session = mine", "", profile), "a single sign-on (sso_session)");
            assert_eq!(read_of("role_arn = arn:x", "", profile), "a role (role_arn)");
            assert_eq!(read_of("credential_process = p", key, profile), "2 settings");
            assert_eq!(read_of("region = eu", "", profile), "1 settings");
        }
        assert_eq!(read_of("role_arn = arn:x", key, Some("night")), "a role (role_arn)");
        fs::remove_dir_all(&home).unwrap();
    }
}
