-- What the editor knows of a file without the server: its type, colours, comments, indents. With a tree-sitter parser in the
-- runtime path, and without one.

local h = dofile(vim.env.DSLC_EDITORS .. '/tests/neovim/harness.lua')

local TEXT = [[
## A doc comment.
use "parts.model"
let width = 8
block unit(channels, act=relu) {
    if in.channels == channels and true {
        conv2d channels 3x3 padding=[1, 2,
            3, 4] -> act # behind
    } else if width > 70k { relu } else { tanh }
}
model M {
    for c in [1, 2] { unit c }
    residual { relu } shortcut { identity } as skip : 6x28x28
    whatever_word 5%
}
]]

-- A word of the text, its group in syntax/dslc.vim, its capture in highlights.scm.
local EXPECTED = {
  { '## A doc', 'dslcDoc', 'comment.documentation' },
  { 'use', 'dslcSection', 'keyword.import' },
  { '"parts', 'dslcText', 'string' },
  { 'let', 'dslcSection', 'keyword' },
  { 'width = 8', 'dslcName', 'constant' },
  { '8', 'dslcNumber', 'number' },
  { 'block', 'dslcSection', 'keyword' },
  { 'unit(', 'dslcName', 'function' },
  { 'act=', 'dslcKey', 'variable.parameter' },
  { 'if', 'dslcFlow', 'keyword.conditional' },
  { 'in.channels', 'dslcIncoming', 'variable.builtin' },
  { '==', 'dslcOperator', 'operator' },
  { 'and', 'dslcWordOperator', 'keyword.operator' },
  { 'true', 'dslcBoolean', 'boolean' },
  { 'conv2d', 'dslcLayer', 'function.call' },
  { '3x3', 'dslcNumber', 'number' },
  { 'padding', 'dslcKey', 'property' },
  { '->', 'dslcOperator', 'operator' },
  { 'act #', 'dslcLayer', 'function.call' },
  { '# behind', 'dslcComment', 'comment' },
  { 'else if', 'dslcFlow', 'keyword.conditional' },
  { '70k', 'dslcNumber', 'number' },
  { 'else {', 'dslcFlow', 'keyword.conditional' },
  { 'tanh', 'dslcLayer', 'function.call' },
  { 'model M', 'dslcSection', 'keyword' },
  { 'M {', 'dslcName', 'type' },
  { 'for', 'dslcFlow', 'keyword.repeat' },
  { 'in [', 'dslcFlow', 'keyword.repeat' },
  { 'unit c', 'dslcLayer', 'function.call' },
  { 'residual', 'dslcFlow', 'keyword' },
  { 'shortcut', 'dslcFlow', 'keyword' },
  { 'as skip', 'dslcFlow', 'keyword' },
  { '6x28x28', 'dslcShape', 'type' },
  { 'whatever_word', 'dslcLayer', 'function.call' },
  { '5%', 'dslcNumber', 'number' },
}

local parser = vim.env.DSLC_PARSER == '1'

h.test(parser and 'the tree colours' or 'the syntax file colours', function()
  local buffer = h.open('colours.net', TEXT)
  h.equal(vim.bo.filetype, 'dslc')
  if parser then
    vim.treesitter.get_parser(buffer, 'dslc'):parse()
  end
  local got, wanted = {}, {}
  for _, line in ipairs(EXPECTED) do
    local row, column = h.go(line[1])
    if parser then
      local captures = vim.tbl_filter(function(capture)
        return capture.capture:sub(1, 1) ~= '_'
      end, vim.treesitter.get_captures_at_pos(buffer, row, column))
      table.insert(got, line[1] .. ': ' .. (captures[#captures] or {}).capture)
      table.insert(wanted, line[1] .. ': ' .. line[3])
    else
      table.insert(got, line[1] .. ': ' .. vim.fn.synIDattr(vim.fn.synID(row + 1, column + 1, 1), 'name'))
      table.insert(wanted, line[1] .. ': ' .. line[2])
    end
  end
  h.equal(got, wanted)
end)

h.test('a line is commented out and in again', function()
  local buffer = h.open('comment.net', TEXT)
  h.go('whatever_word')
  h.keys('gcc')
  h.eventually('a comment', function() return h.text(buffer):find('\n    # whatever_word 5%', 1, true) end)
  h.keys('gcc')
  h.eventually('the line', function() return h.text(buffer) == TEXT end)
end)

h.test('lines are indented as the formatter does', function()
  for _, path in ipairs(vim.split(vim.env.DSLC_FILES, ':')) do
    vim.cmd('edit ' .. vim.fn.fnameescape(path))
    local before = h.text(0)
    vim.cmd('silent normal! gg=G')
    h.equal(h.text(0), before, path)
    vim.cmd('edit!')
  end
end)

h.run()
