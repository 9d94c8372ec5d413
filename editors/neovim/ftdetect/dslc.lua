vim.api.nvim_create_autocmd({ 'BufRead', 'BufNewFile' }, {
  pattern = { '*.model', '*.net' },
  callback = function()
    vim.bo.filetype = 'dslc'
  end,
})
