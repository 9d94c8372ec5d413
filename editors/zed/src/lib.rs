//! Tells Zed how `dslc lsp` is started: the program of the project's own environment, or the one in the settings at
//! `lsp.dslc.binary.path`.

use zed_extension_api::settings::LspSettings;
use zed_extension_api::{register_extension, Command, Extension, LanguageServerId, Result, Worktree};

struct Dslc;

impl Extension for Dslc {
    fn new() -> Dslc {
        Dslc
    }

    fn language_server_command(&mut self, server: &LanguageServerId, worktree: &Worktree) -> Result<Command> {
        let settings = LspSettings::for_worktree(server.as_ref(), worktree)?;
        let set = settings.binary.and_then(|binary| binary.path);
        let command = set.or_else(|| worktree.which("dslc")).ok_or(
            "`dslc` was not found: install it (`cargo install --path .` in the folder of dslc), or say in the settings \
             at `lsp.dslc.binary.path` where it is",
        )?;
        Ok(Command { command, args: vec!["lsp".to_owned()], env: worktree.shell_env() })
    }
}

register_extension!(Dslc);
