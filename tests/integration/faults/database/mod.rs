//! The database and the journal are damaged while the daemon is down, in each way that is known of sled and of disks. The
//! daemon comes up within bounds, mail flows, held mail and journal are as they were, lists are as of the damage or, told,
//! as of the last export.

mod blocks;
mod copies;
mod files;
mod journal;
mod site;
