//! The guide: five short chapters, each with examples that run as tests.
//!
//! | chapter | for |
//! | --- | --- |
//! | [`contract`] | everybody: what a machine and its driver owe each other |
//! | [`lives`] | everybody: the steps of a server and of a client, and the states of every machine, with diagrams |
//! | [`driving`] | who has an event loop of their own |
//! | [`handlers`] | who writes an application |
//! | [`layers`] | who puts something between a connection and an application: encryption, framing, a proxy's header |

pub mod contract;
pub mod driving;
pub mod handlers;
pub mod layers;
pub mod lives;
