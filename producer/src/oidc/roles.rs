//! Which role and which projects the claims of an identity give.

use aprendiz_db::Scope;
use aprendiz_runs::Role;
use serde_json::{Map, Value};

use crate::oidc::error::OidcError;

/// Instead of the name of a project: all of them.
const ALL_PROJECTS: &str = "*";

/// The groups that give a role, the role of everybody else, and the groups that give projects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleMapping {
    /// Name of the claim, or its path with dots. Empty if only the default counts.
    claim: String,
    groups: Vec<(Role, String)>,
    default: Option<Role>,
    /// Projects and the groups that may see them; `None` = everybody sees all projects.
    projects: Option<Vec<(String, String)>>,
}

impl RoleMapping {
    /// Everybody has the same role.
    pub(crate) const fn only_default(default: Option<Role>) -> Self {
        Self { claim: String::new(), groups: Vec::new(), default, projects: None }
    }

    /// Parses `role=group,role=group`. A group is written with `%2C` for a comma and `%25` for a percent sign.
    pub(crate) fn parse(text: &str, claim: String, default: Option<Role>) -> Result<Self, String> {
        let groups =
            parse_pairs(text, "role")?.into_iter().map(|(role, group)| Ok((role.parse()?, group))).collect::<Result<_, String>>()?;
        Ok(Self { claim, groups, default, projects: None })
    }

    /// Limits everybody to the projects of their groups: `project=group,project=group`, with `*` for all projects. A name is written as
    /// that of a group.
    pub(crate) fn with_projects(self, text: &str) -> Result<Self, String> {
        Ok(Self { projects: Some(parse_pairs(text, "project")?), ..self })
    }

    /// Whether somebody can be an admin of all projects.
    pub(crate) fn gives_admin(&self) -> bool {
        let has_role = self.default == Some(Role::Admin) || self.groups.iter().any(|(role, _)| *role == Role::Admin);
        has_role && self.projects.as_ref().is_none_or(|projects| projects.iter().any(|(project, _)| project == "*"))
    }

    /// Name of the claim that is needed; `None` if everybody has the same role.
    pub(super) fn claim(&self) -> Option<&str> {
        (!self.claim.is_empty()).then_some(self.claim.as_str())
    }

    /// The highest role of the groups in the claims, else the default.
    pub(crate) fn role(&self, claims: &Map<String, Value>) -> Result<Role, OidcError> {
        let values = find(claims, &self.claim).map(texts).unwrap_or_default();
        let role = self.groups.iter().filter(|(_, group)| values.contains(&group.as_str())).map(|(role, _)| *role).max();
        role.or(self.default).ok_or_else(|| {
            let found =
                if values.is_empty() { "no group".to_owned() } else { format!("{} that gives no role", count_groups(values.len())) };
            OidcError::NoRole(format!(
                "the provider names {found} in the claim `{}`, so this account has no role here: ask an administrator",
                self.claim
            ))
        })
    }

    /// The projects of all groups in the claims. An identity without any has no access.
    pub(crate) fn scope(&self, claims: &Map<String, Value>) -> Result<Scope, OidcError> {
        let Some(projects) = &self.projects else { return Ok(Scope::All) };
        let values = find(claims, &self.claim).map(texts).unwrap_or_default();
        let mut given: Vec<String> =
            projects.iter().filter(|(_, group)| values.contains(&group.as_str())).map(|(project, _)| project.clone()).collect();
        if given.iter().any(|project| project == ALL_PROJECTS) {
            return Ok(Scope::All);
        }
        if given.is_empty() {
            let detail = format!("no group in the claim `{}` gives this account a project: ask an administrator", self.claim);
            return Err(OidcError::NoRole(detail));
        }
        given.sort_unstable();
        given.dedup();
        Ok(Scope::Projects(given))
    }
}

/// Parses `KEY=GROUP,KEY=GROUP`; `key` says what the first part is.
fn parse_pairs(text: &str, key: &str) -> Result<Vec<(String, String)>, String> {
    let decode = |part: &str| part.trim().replace("%2C", ",").replace("%2c", ",").replace("%25", "%");
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pairs: Vec<(String, String)> = pairs
        .map(|pair| {
            let (first, group) = pair
                .split_once('=')
                .ok_or_else(|| format!("`{pair}` has no `=`: expected {key}=group, with %2C for a comma in the name of a group"))?;
            let (first, group) = (decode(first), decode(group));
            if first.is_empty() || group.is_empty() {
                return Err(format!("`{pair}` names no {}: expected {key}=group", if group.is_empty() { "group" } else { key }));
            }
            Ok((first, group))
        })
        .collect::<Result<_, String>>()?;
    if pairs.is_empty() {
        return Err(format!("expected {key}=group,{key}=group"));
    }
    Ok(pairs)
}

fn count_groups(number: usize) -> String {
    if number == 1 { "a group".to_owned() } else { format!("{number} groups, none of them") }
}

/// A claim by its whole name, which may contain dots, else by its path.
pub(super) fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

/// The texts of a claim: one, or a list.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn role(mapping: &RoleMapping, claims: &Value) -> Option<Role> {
        mapping.role(claims.as_object().unwrap()).ok()
    }

    #[test]
    fn the_highest_role_of_all_groups_counts() {
        let mapping = RoleMapping::parse("viewer=staff, operator=ops,admin=root", "groups".to_owned(), None).unwrap();
        assert_eq!(role(&mapping, &json!({ "groups": ["staff", "ops", "other"] })), Some(Role::Operator));
        assert_eq!(role(&mapping, &json!({ "groups": "root" })), Some(Role::Admin));
        for none in [json!({}), json!({ "groups": [] }), json!({ "groups": ["Staff", "staff "] }), json!({ "groups": { "staff": true } })] {
            assert_eq!(role(&mapping, &none), None, "{none}");
        }
        let error = mapping.role(json!({ "groups": ["x"] }).as_object().unwrap()).unwrap_err().to_string();
        assert!(error.contains("`groups`") && error.contains("a group that gives no role"), "{error}");
    }

    #[test]
    fn everybody_else_has_the_default_role() {
        let mapping = RoleMapping::parse("admin=root", "groups".to_owned(), Some(Role::Viewer)).unwrap();
        assert_eq!(role(&mapping, &json!({ "groups": ["x"] })), Some(Role::Viewer));
        assert_eq!(role(&RoleMapping::only_default(Some(Role::Reviewer)), &json!({})), Some(Role::Reviewer));
    }

    #[test]
    fn an_identity_sees_the_projects_of_all_its_groups_and_none_without_a_group() {
        let roles = RoleMapping::parse("viewer=staff", "groups".to_owned(), Some(Role::Viewer)).unwrap();
        let claims = |groups: &[&str]| json!({ "groups": groups }).as_object().unwrap().clone();
        assert_eq!(roles.scope(&claims(&[])).unwrap(), Scope::All);
        let roles = roles.with_projects("contracts=legal, leases%2C2026=legal,leases%2C2026=estate,*=root").unwrap();
        let projects = |names: &[&str]| Scope::Projects(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(roles.scope(&claims(&["legal", "estate", "x"])).unwrap(), projects(&["contracts", "leases,2026"]));
        assert_eq!(roles.scope(&claims(&["estate"])).unwrap(), projects(&["leases,2026"]));
        assert_eq!(roles.scope(&claims(&["legal", "root"])).unwrap(), Scope::All);
        for none in [claims(&[]), claims(&["staff", "Legal"])] {
            let error = roles.scope(&none).unwrap_err().to_string();
            assert!(error.contains("`groups`") && error.contains("project"), "{error}");
        }
        for bad in ["", "contracts", "=legal", "contracts="] {
            assert!(RoleMapping::only_default(None).with_projects(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn claims_are_named_or_nested_and_groups_may_contain_commas() {
        let nested = RoleMapping::parse("admin=root", "realm_access.roles".to_owned(), None).unwrap();
        assert_eq!(role(&nested, &json!({ "realm_access": { "roles": ["root"] } })), Some(Role::Admin));
        let named = RoleMapping::parse("admin=cn=ops%2Cdc=example", "https://example.org/roles".to_owned(), None).unwrap();
        assert_eq!(role(&named, &json!({ "https://example.org/roles": ["cn=ops,dc=example"] })), Some(Role::Admin));
        let error = RoleMapping::parse("admin=cn=ops,dc=example", "groups".to_owned(), None).unwrap_err();
        assert!(error.contains("unknown role `dc`"), "{error}");
    }
}
