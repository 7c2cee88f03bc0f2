//! The daemon is killed, again and again, in the middle of traffic: at moments by chance, and just when a message is held
//! and nobody was answered yet.

mod lmtp;
mod milter;
mod window;
