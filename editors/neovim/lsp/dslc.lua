-- For `vim.lsp.enable('dslc')`, Neovim 0.11 and newer.
return {
  cmd = { 'dslc', 'lsp' },
  filetypes = { 'dslc' },
  root_markers = { '.git' },
}
