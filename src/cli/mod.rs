//! The command.
mod draw;
mod plot;
