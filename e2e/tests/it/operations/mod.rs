//! What operators use: command line, API keys, audit log, startup checks, sweeper, and the interface of the legacy pipeline.

mod api_keys;
mod audit;
mod background_tasks;
mod command_line;
mod conventions;
mod doctor;
mod doctor_object_store;
mod invalid_values;
mod legacy_interface;
mod nul_characters;
mod profiles;
mod project_scopes;
mod proxies;
mod startup;
mod sweeper;
mod traces;
