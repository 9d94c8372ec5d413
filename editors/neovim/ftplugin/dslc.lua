vim.bo.commentstring = '# %s'
vim.bo.comments = ':##,:#'
vim.bo.expandtab = true
vim.bo.shiftwidth = 4
vim.bo.softtabstop = 4
vim.bo.cindent = false
vim.bo.indentexpr = 'v:lua.require("dslc").indent()'
vim.bo.indentkeys = '0},0],0),o,O'

-- With a parser the tree colours and folds; without one, syntax/dslc.vim.
if vim.treesitter.start and pcall(vim.treesitter.start, 0, 'dslc') then
  vim.wo.foldexpr = 'v:lua.vim.treesitter.foldexpr()'
end

vim.b.undo_ftplugin = 'setlocal commentstring< comments< expandtab< shiftwidth< softtabstop< cindent< indentexpr< indentkeys< foldexpr<'
