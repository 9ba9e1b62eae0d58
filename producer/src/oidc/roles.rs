//! Which role the claims of an identity give.

use aprendiz_runs::Role;
use serde_json::{Map, Value};

use crate::oidc::error::OidcError;

/// The groups that give a role, and the role of everybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleMapping {
    /// Name of the claim, or its path with dots. Empty if only the default counts.
    claim: String,
    groups: Vec<(Role, String)>,
    default: Option<Role>,
}

impl RoleMapping {
    /// Everybody has the same role.
    pub(crate) const fn only_default(default: Option<Role>) -> Self {
        Self { claim: String::new(), groups: Vec::new(), default }
    }

    /// Parses `role=group,role=group`. A group is written with `%2C` for a comma and `%25` for a percent sign.
    pub(crate) fn parse(text: &str, claim: String, default: Option<Role>) -> Result<Self, String> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let groups: Vec<(Role, String)> = pairs
            .map(|pair| {
                let (role, group) = pair
                    .split_once('=')
                    .ok_or_else(|| format!("`{pair}` has no `=`: expected role=group, with %2C for a comma in the name of a group"))?;
                let group = group.trim().replace("%2C", ",").replace("%2c", ",").replace("%25", "%");
                if group.is_empty() {
                    return Err(format!("`{pair}` names no group: expected role=group"));
                }
                Ok((role.trim().parse()?, group))
            })
            .collect::<Result<_, String>>()?;
        if groups.is_empty() {
            return Err("expected role=group,role=group".to_owned());
        }
        Ok(Self { claim, groups, default })
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
    fn claims_are_named_or_nested_and_groups_may_contain_commas() {
        let nested = RoleMapping::parse("admin=root", "realm_access.roles".to_owned(), None).unwrap();
        assert_eq!(role(&nested, &json!({ "realm_access": { "roles": ["root"] } })), Some(Role::Admin));
        let named = RoleMapping::parse("admin=cn=ops%2Cdc=example", "https://example.org/roles".to_owned(), None).unwrap();
        assert_eq!(role(&named, &json!({ "https://example.org/roles": ["cn=ops,dc=example"] })), Some(Role::Admin));
        let error = RoleMapping::parse("admin=cn=ops,dc=example", "groups".to_owned(), None).unwrap_err();
        assert!(error.contains("unknown role `dc`"), "{error}");
    }
}
