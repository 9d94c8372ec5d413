-- nvim -l parse.lua PARSER FILE…: reads files with a tree-sitter parser and says of each `error` or `fine`. Files that end
-- in .scm are queries.

vim.treesitter.language.add('dslc', { path = arg[1] })
for i = 2, #arg do
  local file = assert(io.open(arg[i], 'rb'))
  local text = file:read('*a')
  file:close()
  local fine
  if arg[i]:match('%.scm$') then
    fine = pcall(vim.treesitter.query.parse, 'dslc', text)
  else
    fine = not vim.treesitter.get_string_parser(text, 'dslc'):parse()[1]:root():has_error()
  end
  io.stdout:write(fine and 'fine ' or 'error ', arg[i], '\n')
end
