//! Scope: the projects that a caller may see and change.
//!
//! Functions that read or write what belongs to a project take a scope, and bind [`Scope::projects`] in their statements as
//! `($n::text[] IS NULL OR d.project = ANY($n))`. Workers and background tasks act for all projects and say so: [`Scope::All`].

/// The projects that a caller may see and change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything in the installation.
    All,
    /// Only these projects, in whichever source; without any, nothing.
    Projects(Vec<String>),
}

impl Scope {
    /// The scope of a stored list; `None` = all projects.
    #[must_use]
    pub fn new(projects: Option<Vec<String>>) -> Self {
        projects.map_or(Self::All, Self::Projects)
    }

    /// The projects, for statements; `None` = all projects.
    #[must_use]
    pub fn projects(&self) -> Option<&[String]> {
        match self {
            Self::All => None,
            Self::Projects(projects) => Some(projects),
        }
    }

    /// Whether a project is in the scope.
    #[must_use]
    pub fn contains(&self, project: &str) -> bool {
        self.projects().is_none_or(|projects| projects.iter().any(|name| name == project))
    }

    /// Whether nothing is out of the scope.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_contains_exactly_its_projects() {
        let scope = Scope::new(Some(vec!["a".to_owned(), "b".to_owned()]));
        assert!(scope.contains("a") && scope.contains("b"));
        for other in ["", "A", "ab", "a ", "*"] {
            assert!(!scope.contains(other), "{other}");
        }
        assert!(!scope.is_all());
        assert_eq!(scope.projects(), Some(&["a".to_owned(), "b".to_owned()][..]));
    }

    #[test]
    fn no_list_is_everything_and_an_empty_list_is_nothing() {
        assert!(Scope::new(None).is_all() && Scope::new(None).contains("a"));
        assert_eq!(Scope::new(None).projects(), None);
        let nothing = Scope::new(Some(Vec::new()));
        assert!(!nothing.is_all() && !nothing.contains("") && !nothing.contains("a"));
        assert_eq!(nothing.projects(), Some(&[][..]));
    }
}
