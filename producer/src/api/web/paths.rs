//! Which paths are files of the web interface, which are views of it, and which belong to the API.

use std::collections::BTreeSet;

use axum::http::{HeaderMap, header};

/// First segments of the routes of the API. No path below them is a view of the interface.
#[derive(Debug)]
pub(in crate::api) struct ApiPrefixes(BTreeSet<String>);

impl ApiPrefixes {
    /// Takes them from the paths of all routes.
    pub(in crate::api) fn from_paths<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        Self(paths.map(|path| first_segment(path).to_owned()).collect())
    }

    fn contains(&self, segment: &str) -> bool {
        // versions of the API that do not exist
        let version = segment.strip_prefix(['v', 'V']);
        let is_version = version.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
        is_version || self.0.iter().any(|known| known.eq_ignore_ascii_case(segment))
    }
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// The page, which shows the view of the path.
    Page,
    /// The file with this name, if there is one.
    File(&'a str),
    /// Nothing.
    None,
}

/// Decides what a path that no route matches leads to.
///
/// A view is the page for a browser that navigates to it. Another client that requests an unknown path, for example a mistyped address of
/// the API, must get an error instead of a page with the status 200.
pub(super) fn target<'a>(path: &'a str, headers: &HeaderMap, prefixes: &ApiPrefixes) -> Target<'a> {
    let name = path.strip_prefix('/').unwrap_or(path);
    let first = first_segment(path);
    if ["", "index.html"].contains(&name) {
        Target::Page
    } else if prefixes.contains(first) {
        Target::None
    } else if first == "assets" || name.contains('.') {
        Target::File(name)
    } else if accepts_html(headers) {
        Target::Page
    } else {
        Target::None
    }
}

fn first_segment(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// Whether the client asks for a page, as every browser does that navigates.
fn accepts_html(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/html"))
}
