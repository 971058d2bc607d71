//! Two hosts and what is between them: links, partitions, losses, crashes.

#[path = "network/hosts.rs"]
mod hosts;
#[path = "network/links.rs"]
mod links;
#[path = "network/losses.rs"]
mod losses;
#[path = "network/silence.rs"]
mod silence;
#[path = "network/two.rs"]
mod two;
