-- What a person sees of `dslc lsp` in Neovim 0.11.

local h = dofile(vim.env.DSLC_EDITORS .. '/tests/neovim/harness.lua')

local function attached(buffer)
  h.eventually('a server', function() return #vim.lsp.get_clients({ bufnr = buffer }) == 1 end)
end

local function open(name, text)
  return h.open(name, text, attached)
end

local function client()
  return vim.lsp.get_clients({ name = 'dslc' })[1]
end

--- Applies the one action with this title at the cursor.
local function act(title, context)
  vim.lsp.buf.code_action({
    apply = true,
    context = context,
    filter = function(action) return action.title == title or title == nil end,
  })
end

local RIGHT = [[
model M {
    input 1x28x28 # 🙂 one channel
    conv2d 16 3x3 padding=1 -> relu
    flatten
    linear 10
}
]]

h.test('the server says which columns it counts', function()
  local buffer = open('encoding.net', RIGHT)
  h.equal(vim.bo[buffer].filetype, 'dslc')
  h.equal(client().offset_encoding, 'utf-8')
end)

h.test('a right file has no findings', function()
  local buffer = open('right.net', RIGHT .. 'let a = b\n')
  h.findings(buffer, 1)
  vim.api.nvim_buf_set_lines(buffer, -2, -1, false, {})
  h.findings(buffer, 0)
end)

h.test('a shape error stands under its number, and its fix clears it', function()
  local buffer = open('shape.net', (RIGHT:gsub('linear 10', 'linear 10 in=4096')))
  h.equal(h.findings(buffer, 1), { 'E0307 4:14-21' })
  h.contains(vim.diagnostic.get(buffer)[1].message, '`linear` expects 4096 input features, but 12544 arrive')
  h.go('in=4096')
  act('`in=12544`')
  h.findings(buffer, 0)
  h.contains(h.text(buffer), '\n    linear 10 in=12544\n')
end)

h.test('columns are right behind an emoji on the line', function()
  local buffer = open('emoji.net', 'data { source mnist "dätä/🙂𝔸" fodler=3 }\n' .. RIGHT)
  local row, column = h.go('fodler')
  local at = ('E0202 %d:%d-'):format(row, column)
  local codes = h.eventually('findings', function()
    local found = vim.diagnostic.get(buffer)
    return #found > 0 and vim.tbl_map(function(d) return ('%s %d:%d-'):format(d.code, d.lnum, d.col) end, found)
  end)
  assert(vim.tbl_contains(codes, at), vim.inspect(codes) .. ' without ' .. at)
end)

h.test('a misspelt word is put right in the line of an emoji, and typing goes on', function()
  local buffer = open('word.net', (RIGHT:gsub('    flatten', '    fltten # 🙂 here')))
  h.equal(#h.findings(buffer, 1), 1)
  h.go('fltten')
  act('write `flatten`')
  h.findings(buffer, 0)
  h.contains(h.text(buffer), '\n    flatten # 🙂 here\n')
  h.go('flatten')
  h.keys('ccrelu # 🙂🙂<CR>fltten<Esc>')
  h.findings(buffer, 1)
  h.keys('ccflatten<Esc>')
  h.findings(buffer, 0)
end)

h.test('all that can be mended is mended at once', function()
  local buffer = open('all.net', (RIGHT:gsub('conv2d', 'covn2d'):gsub('flatten', 'fltten'):gsub('linear', 'linaer')))
  h.findings(buffer, 3)
  act(nil, { only = { 'source.fixAll' }, diagnostics = {} })
  h.findings(buffer, 0)
  h.equal(h.text(buffer), RIGHT)
end)

h.test('a hover says what a layer does to the shape', function()
  open('hover.net', RIGHT)
  h.go('conv2d')
  local text = h.float(vim.lsp.buf.hover)
  h.contains(text, '1x28x28')
  h.contains(text, '16x28x28')
end)

h.test('shapes stand at the ends of lines', function()
  local buffer = open('hints.net', RIGHT)
  local function hints()
    local by_row = {}
    for _, hint in ipairs(vim.lsp.inlay_hint.get({ bufnr = buffer })) do
      local label = hint.inlay_hint.label
      label = type(label) == 'string' and label or table.concat(vim.tbl_map(function(p) return p.value end, label))
      by_row[hint.inlay_hint.position.line] = vim.trim(label)
    end
    return by_row
  end
  h.eventually('hints', function() return next(hints()) end)
  h.contains(hints()[2] or '', '16x28x28')
  h.contains(hints()[3] or '', '12544')
  h.contains(hints()[4] or '', '10')
end)

h.test('words are coloured by what they mean', function()
  local buffer = open('tokens.net', 'block unit(channels) { conv2d channels 3x3 }\n' .. (RIGHT:gsub('flatten', 'unit 8 -> flatten')))
  local function token(needle)
    local row, column = h.go(needle)
    local tokens = vim.lsp.semantic_tokens.get_at_pos(buffer, row, column)
    return tokens and tokens[1] and tokens[1].type
  end
  h.eventually('tokens', function() return token('conv2d') end)
  local got = {}
  for _, needle in ipairs({ 'block', 'conv2d', 'channels 3x3', '3x3', 'model', 'unit 8', 'padding', '->', '# 🙂' }) do
    got[needle] = token(needle)
  end
  h.equal(got, {
    block = 'keyword', conv2d = 'function', ['channels 3x3'] = 'variable', ['3x3'] = 'number', model = 'keyword',
    ['unit 8'] = 'class', padding = 'parameter', ['->'] = 'operator', ['# 🙂'] = 'comment',
  })
end)

h.test('completion knows the words of the place', function()
  local buffer = open('words.net', RIGHT)
  h.findings(buffer, 0)
  local function labels(result)
    return vim.tbl_map(function(item) return item.label end, result.items or result)
  end
  local function complete(row, column)
    local params = { textDocument = { uri = vim.uri_from_bufnr(buffer) }, position = { line = row, character = column } }
    local answer = assert(client():request_sync('textDocument/completion', params, 5000, buffer))
    return labels(assert(answer.result, vim.inspect(answer)))
  end
  local row, column = h.go('padding=1')
  assert(vim.tbl_contains(complete(row, column), 'stride'), vim.inspect(complete(row, column)))
  row, column = h.go('flatten')
  assert(vim.tbl_contains(complete(row, column), 'max_pool2d'))
end)

h.test('a word is completed by typing', function()
  local buffer = open('typed.net', RIGHT)
  h.findings(buffer, 0)
  h.go('flatten')
  h.keys('Oglob<C-x><C-o>')
  h.eventually('the menu', function() return vim.fn.pumvisible() == 1 end)
  h.equal(#vim.fn.complete_info({ 'items' }).items, 2, 'words that begin so')
  h.keys('<C-y>')
  h.eventually('the word', function() return h.text(buffer):find('\n    global_avg_pool\n', 1, true) end, function() return h.text(buffer) end)
  h.keys('<Esc>')
end)

h.test('arguments are explained while they are typed', function()
  open('signature.net', RIGHT)
  h.go('3x3')
  h.contains(h.float(vim.lsp.buf.signature_help):lower(), 'kernel')
end)

local NAMES = [[
let width = 8

block unit(channels) {
    conv2d channels 3x3 padding=1 -> relu
}

model M {
    input 1x28x28 # 🙂
    unit width as early -> unit width
    add early
    flatten -> linear 10
}
]]

h.test('a name leads to where it was given', function()
  open('definition.net', NAMES)
  h.go('unit width')
  vim.lsp.buf.definition()
  h.eventually('the definition', function() return vim.api.nvim_win_get_cursor(0)[1] == 3 end)
end)

h.test('a name is renamed wherever it stands', function()
  local buffer = open('rename.net', NAMES)
  h.findings(buffer, 0)
  h.go('early')
  vim.lsp.buf.rename('skip')
  h.eventually('the new name', function() return h.text(buffer) == (NAMES:gsub('early', 'skip')) end, function() return h.text(buffer) end)
  h.go('unit(channels)')
  vim.lsp.buf.rename('stage')
  local wanted = (NAMES:gsub('early', 'skip'):gsub('unit', 'stage'))
  h.eventually('the new name', function() return h.text(buffer) == wanted end, function() return h.text(buffer) end)
  h.findings(buffer, 0)
end)

h.test('uses and outline are found', function()
  local buffer = open('symbols.net', NAMES)
  h.findings(buffer, 0)
  local row, column = h.go('width')
  local document = { uri = vim.uri_from_bufnr(buffer) }
  local uses = client():request_sync('textDocument/references',
    { textDocument = document, position = { line = row, character = column }, context = { includeDeclaration = true } }, 5000, buffer)
  h.equal(#uses.result, 3)
  local symbols = client():request_sync('textDocument/documentSymbol', { textDocument = document }, 5000, buffer).result
  local names = vim.tbl_map(function(symbol) return symbol.name end, symbols)
  h.equal(names, { 'width', 'unit', 'M' })
end)

h.test('blocks fold', function()
  local buffer = open('folds.net', NAMES)
  h.findings(buffer, 0)
  vim.wo.foldmethod = 'expr'
  vim.wo.foldexpr = 'v:lua.vim.lsp.foldexpr()'
  h.eventually('folds', function() return vim.fn.foldlevel(4) == 1 and vim.fn.foldlevel(1) == 0 end)
  vim.wo.foldmethod = 'manual'
end)

h.test('a file is laid out, and a part of it', function()
  local ugly = 'model   M{\ninput 1x28x28 # 🙂\n  conv2d   8 3x3->relu\n flatten;linear   10\n}\n'
  local wanted = 'model M {\n    input 1x28x28 # 🙂\n    conv2d 8 3x3 -> relu\n    flatten; linear 10\n}\n'
  local buffer = open('format.net', ugly)
  vim.lsp.buf.format({ bufnr = buffer, timeout_ms = 5000 })
  h.contains(h.text(buffer), '\n    conv2d 8 3x3 -> relu\n')
  h.contains(h.text(buffer), '\n    input 1x28x28')
  h.findings(buffer, 0)
  buffer = open('range.net', (wanted:gsub('conv2d 8', 'conv2d   8'):gsub('model M', 'model   M')))
  vim.lsp.buf.format({ bufnr = buffer, timeout_ms = 5000, range = { start = { 3, 0 }, ['end'] = { 3, 30 } } })
  h.contains(h.text(buffer), '\n    conv2d 8 3x3 -> relu\n')
  h.contains(h.text(buffer), 'model   M {\n')
end)

h.test('a file that is used is checked as it stands in the editor', function()
  local parts = open('parts.model', 'let classes = 10\n')
  local main = open('main.net', 'use "parts.model"\n' .. (RIGHT:gsub('linear 10', 'linear classes')))
  h.findings(main, 0)
  vim.api.nvim_buf_set_lines(parts, 0, -1, false, { 'let klasses = 10' })
  h.equal(h.findings(main, 2), { 'W0203 0:0-17', 'E0205 5:11-18' })
  vim.api.nvim_buf_set_lines(parts, 0, -1, false, { 'let classes = 3' })
  h.findings(main, 0)
end)

h.test('the server ends when it is asked to', function()
  local one = client()
  one:stop()
  h.eventually('its end', function() return one:is_stopped() end)
end)

h.run()
