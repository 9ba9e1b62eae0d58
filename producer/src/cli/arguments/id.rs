//! IDs on the command line: a whole ID, the beginning or the end of one, or `@latest`.

use std::fmt;
use std::str::FromStr;

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::{Client, decode};

/// Digits that a part of an ID must have at least.
const MIN_DIGITS: usize = 4;
/// Stands for the newest object; `@latest:MODEL` for the newest of a model.
const LATEST: &str = "@latest";

/// What an ID identifies, as named in `/v1/ids/{kind}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdKind {
    Run,
    Import,
    Dataset,
}

impl IdKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Import => "import",
            Self::Dataset => "dataset",
        }
    }

    /// How to list the objects; `None` = there is no such command.
    const fn list_command(self) -> Option<&'static str> {
        match self {
            Self::Run => Some("aprendiz run list"),
            Self::Import => Some("aprendiz imports list"),
            Self::Dataset => None,
        }
    }
}

/// An ID argument, which may be a part of an ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdArg {
    Whole(Uuid),
    /// Beginning or end of an ID, in lower case.
    Part(String),
    /// The newest object, of this model.
    Latest(Option<String>),
}

impl FromStr for IdArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(id) = text.parse() {
            return Ok(Self::Whole(id));
        }
        if let Some(model) = text.strip_prefix(LATEST) {
            return match model.strip_prefix(':') {
                Some(model) if !model.is_empty() => Ok(Self::Latest(Some(model.to_owned()))),
                None if model.is_empty() => Ok(Self::Latest(None)),
                _ => Err(format!("invalid ID `{text}`: expected {LATEST} or {LATEST}:MODEL")),
            };
        }
        let digits = text.chars().filter(|character| *character != '-').count();
        if !text.chars().all(|character| character == '-' || character.is_ascii_hexdigit()) || digits > 32 {
            return Err(format!("invalid ID `{text}`: expected an ID, its first or last {MIN_DIGITS} or more digits, or {LATEST}"));
        }
        if digits < MIN_DIGITS {
            return Err(format!("`{text}` is too short for a part of an ID: at least {MIN_DIGITS} digits"));
        }
        Ok(Self::Part(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for IdArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(id) => write!(f, "{id}"),
            Self::Part(part) => f.write_str(part),
            Self::Latest(None) => f.write_str(LATEST),
            Self::Latest(Some(model)) => write!(f, "{LATEST}:{model}"),
        }
    }
}

/// An object whose ID matches.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Match {
    pub(crate) id: Uuid,
    /// What the object is, for people.
    label: String,
}

#[derive(Debug, Deserialize)]
struct Matches {
    items: Vec<Match>,
    more: bool,
}

impl IdArg {
    /// The ID. A part must match exactly one object.
    pub(crate) async fn resolve(&self, client: &Client, kind: IdKind) -> Result<Uuid, CliError> {
        match self.find(client, kind).await? {
            Some(id) => Ok(id),
            None => Err(self.not_found(kind)),
        }
    }

    /// Like [`IdArg::resolve`]; `None` = nothing matches. A whole ID is not looked up.
    pub(crate) async fn find(&self, client: &Client, kind: IdKind) -> Result<Option<Uuid>, CliError> {
        let mut query = Vec::new();
        match self {
            Self::Whole(id) => return Ok(Some(*id)),
            Self::Part(part) => query.push(("part", part.clone())),
            Self::Latest(model) => query.extend(model.iter().map(|model| ("model", model.clone()))),
        }
        let request = client.request(Method::GET, &["v1", "ids", kind.name()]).query(&query);
        let found: Value = client.json(request).await?;
        let found: Matches = decode(&found, "list of IDs")?;
        self.choose(kind, &found)
    }

    fn choose(&self, kind: IdKind, found: &Matches) -> Result<Option<Uuid>, CliError> {
        match found.items.as_slice() {
            [] => Ok(None),
            [only] if !found.more => Ok(Some(only.id)),
            [newest, ..] if matches!(self, Self::Latest(_)) => Ok(Some(newest.id)),
            several => {
                let more = if found.more { "\n  …" } else { "" };
                let lines = several.iter().map(|item| format!("\n  {}  {}", item.id, item.label)).collect::<String>();
                Err(CliError::Usage(format!("ambiguous: `{self}` begins or ends the IDs of several {}s:{lines}{more}", kind.name())))
            }
        }
    }

    /// The error of an ID that nothing matches.
    pub(crate) fn not_found(&self, kind: IdKind) -> CliError {
        let name = kind.name();
        let list = kind.list_command().map(|command| format!(": list them with `{command}`")).unwrap_or_default();
        CliError::Refused(match self {
            Self::Whole(id) => format!("{name} {id} not found{list}"),
            Self::Part(part) => format!("no {name} has an ID that begins or ends with `{part}`{list}"),
            Self::Latest(None) => format!("there is no {name} yet"),
            Self::Latest(Some(model)) => format!("there is no {name} of model {model}{list}"),
        })
    }
}

/// The ID among a few that are known, for objects that have no route.
pub(crate) fn choose_among(argument: &IdArg, kind: &str, known: &[(Uuid, String)]) -> Result<Option<Uuid>, CliError> {
    let matches = |id: &Uuid| match argument {
        IdArg::Whole(whole) => id == whole,
        IdArg::Part(part) => {
            let (id, part) = (id.simple().to_string(), part.replace('-', ""));
            id.starts_with(&part) || id.ends_with(&part)
        }
        // the list is sorted, newest first
        IdArg::Latest(_) => known.first().is_some_and(|(first, _)| first == id),
    };
    let found: Vec<&(Uuid, String)> = known.iter().filter(|(id, _)| matches(id)).collect();
    match found.as_slice() {
        [] => Ok(None),
        [(id, _)] => Ok(Some(*id)),
        several => {
            let lines = several.iter().map(|(id, label)| format!("\n  {id}  {label}")).collect::<String>();
            Err(CliError::Usage(format!("ambiguous: `{argument}` begins or ends the IDs of several {kind}s:{lines}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_parts_and_latest_are_parsed() {
        let id = "01a1fd0a-322b-77a3-a61c-68ecd237a2dc";
        assert_eq!(id.to_uppercase().parse(), Ok(IdArg::Whole(id.parse().unwrap())));
        assert_eq!("01A1FD0A-32".parse(), Ok(IdArg::Part("01a1fd0a-32".to_owned())));
        assert_eq!("@latest".parse(), Ok(IdArg::Latest(None)));
        assert_eq!("@latest:contracts".parse(), Ok(IdArg::Latest(Some("contracts".to_owned()))));
        for bad in ["", "a1", "a-1-", "xyzw", "@latest:", "@latestx", "@newest", &format!("{id}0")] {
            assert!(bad.parse::<IdArg>().is_err(), "{bad}");
        }
    }

    fn matches(ids: &[u128], more: bool) -> Matches {
        let item = |id: &u128| Match { id: Uuid::from_u128(*id), label: format!("contracts succeeded {id}") };
        Matches { items: ids.iter().map(item).collect(), more }
    }

    #[test]
    fn a_part_must_match_one_object() {
        let part = IdArg::Part("0000".to_owned());
        assert_eq!(part.choose(IdKind::Run, &matches(&[1], false)).unwrap(), Some(Uuid::from_u128(1)));
        assert_eq!(part.choose(IdKind::Run, &matches(&[], false)).unwrap(), None);
        let Err(CliError::Usage(text)) = part.choose(IdKind::Run, &matches(&[1, 2], true)) else { panic!("it is ambiguous") };
        assert!(text.starts_with("ambiguous: `0000`") && text.contains("contracts succeeded 2") && text.ends_with('…'), "{text}");
        let latest = IdArg::Latest(None).choose(IdKind::Run, &matches(&[2, 1], true)).unwrap();
        assert_eq!(latest, Some(Uuid::from_u128(2)));
    }

    #[test]
    fn known_ids_are_chosen_by_beginning_end_or_age() {
        let known = [(Uuid::from_u128(0xabcd), "a".to_owned()), (Uuid::from_u128((0xabcd << 112) + 1), "b".to_owned())];
        let choose = |text: &str| choose_among(&text.parse().unwrap(), "key", &known);
        assert_eq!(choose("@latest").unwrap(), Some(known[0].0));
        assert_eq!(choose("0001").unwrap(), Some(known[1].0));
        assert_eq!(choose("ffff").unwrap(), None);
        assert!(matches!(choose("abcd"), Err(CliError::Usage(text)) if text.starts_with("ambiguous")));
    }
}
