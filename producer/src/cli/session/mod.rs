//! `aprendiz login`, `logout`, `whoami` and `version`: profiles, the API key in use, and the versions of client and server.

mod login;
mod logout;
mod version;
mod whoami;

pub(crate) use self::login::{LoginArgs, run as login};
pub(crate) use self::logout::{LogoutArgs, run as logout};
pub(crate) use self::version::run as version;
pub(crate) use self::whoami::run as whoami;
