-- What editors/README.md tells users of Neovim 0.11 to write.
vim.opt.runtimepath:prepend(vim.env.DSLC_EDITORS .. '/neovim')
vim.lsp.enable('dslc')
vim.lsp.inlay_hint.enable()
