//! Authentication and authorization: extractors named after roles. A handler that takes [`Operator`] admits operators and admins only, so
//! the required role stands next to the route; `InScope<Operator>` also admits keys that are limited to projects.
//!
//! API keys, sessions and identities are looked up on each request: a revoked one stops working at once.

pub(crate) mod browser;
pub(crate) mod cookie;
pub(crate) mod csrf;
pub(crate) mod flow_cookie;
pub(crate) mod identity;
mod role;
mod schemes;
pub(crate) mod scope;
pub(crate) mod sign_in_browser;

pub(crate) use self::identity::API_KEY_HEADER;
pub(crate) use self::role::{Admin, CurrentKey, InScope, Operator, Reviewer, Viewer};
pub(crate) use self::schemes::SECURITY_SCHEMES;
