-- Neovim as in the picture: the settings of ../README.md, and a few for a quiet frame.
vim.opt.runtimepath:prepend(vim.env.DSLC_EDITORS .. '/neovim')
vim.lsp.enable('dslc')
vim.lsp.inlay_hint.enable()
vim.diagnostic.config({ virtual_lines = true })
vim.opt.termguicolors = true
vim.opt.number = true
vim.opt.signcolumn = 'no'
vim.opt.laststatus = 0
vim.opt.ruler = false
vim.opt.showcmd = false
vim.opt.swapfile = false
vim.opt.fillchars = { eob = ' ' }
vim.api.nvim_set_hl(0, 'LspInlayHint', { fg = '#7a8494', italic = true })
vim.api.nvim_set_hl(0, 'Number', { fg = '#e0b878' })
vim.api.nvim_set_hl(0, 'Keyword', { fg = '#a6b8f5', bold = true })
vim.api.nvim_set_hl(0, 'Normal', { fg = '#e0e2ea', bg = '#14161b' })
