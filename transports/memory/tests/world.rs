//! Worlds: what befalls operations, clocks and hosts, what rules find, and that a run is the same twice.

#[path = "world/addressing.rs"]
mod addressing;
#[path = "world/calm.rs"]
mod calm;
#[path = "world/campaigns.rs"]
mod campaigns;
#[path = "world/clocks.rs"]
mod clocks;
#[path = "world/crashes.rs"]
mod crashes;
#[path = "world/hosts.rs"]
mod hosts;
#[path = "world/moments.rs"]
mod moments;
#[path = "world/operations.rs"]
mod operations;
#[path = "world/rules.rs"]
mod rules;
#[path = "world/same_run.rs"]
mod same_run;
#[path = "world/talk.rs"]
mod talk;
