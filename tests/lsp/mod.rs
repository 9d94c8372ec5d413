//! The language server, through its protocol.

mod corpus;
mod edits;
mod editor;
mod features;
mod lifecycle;
mod projects;
