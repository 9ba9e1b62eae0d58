//! What clients may take: quotas, pace of transfers, rate of requests, failed authentications, trusted proxies. Independent of the routes.

pub(crate) mod auth_failures;
pub(crate) mod held_body;
pub(crate) mod network;
pub(crate) mod pace;
pub(crate) mod paced_body;
pub(crate) mod quota;
pub(crate) mod request_rate;
pub(crate) mod settings;
pub(crate) mod trusted_proxies;
