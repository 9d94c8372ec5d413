-- What a person sees of `dslc lsp` in Neovim 0.7, which counts columns in UTF-16 and cannot be told otherwise.

local h = dofile(vim.env.DSLC_EDITORS .. '/tests/neovim/harness.lua')

local id = vim.lsp.start_client({ name = 'dslc', cmd = { 'dslc', 'lsp' }, root_dir = vim.fn.getcwd() })

local function open(name, text)
  return h.open(name, text, function(buffer) vim.lsp.buf_attach_client(buffer, id) end)
end

local RIGHT = [[
model M {
    input 1x28x28 # 🙂 one channel
    conv2d 16 3x3 padding=1 -> relu
    flatten
    linear 10
}
]]

h.test('columns are right behind an emoji on the line', function()
  local buffer = open('emoji.net', 'data { source mnist "dätä/🙂𝔸" fodler=3 }\n' .. RIGHT)
  h.equal(vim.lsp.get_client_by_id(id).offset_encoding, 'utf-16')
  local row, column = h.go('fodler')
  h.eventually('findings', function() return #vim.diagnostic.get(buffer) > 0 end)
  local places = vim.tbl_map(function(d) return d.lnum .. ':' .. d.col end, vim.diagnostic.get(buffer))
  assert(vim.tbl_contains(places, row .. ':' .. column), vim.inspect(places))
end)

h.test('a fix clears its finding', function()
  local buffer = open('fix.net', (RIGHT:gsub('linear 10', 'linear 10 in=4096')))
  h.equal(h.findings(buffer, 1), { 'E0307 4:14-21' })
  h.go('in=4096')
  local params = vim.lsp.util.make_range_params()
  params.context = { diagnostics = {} }
  local answers = vim.lsp.buf_request_sync(buffer, 'textDocument/codeAction', params, 5000)
  local action = answers[id].result[1]
  h.equal(action.title, '`in=12544`')
  vim.lsp.util.apply_workspace_edit(action.edit, 'utf-16')
  h.findings(buffer, 0)
  h.contains(h.text(buffer), '\n    linear 10 in=12544\n')
end)

h.test('typing behind an emoji keeps the server in step', function()
  local buffer = open('typing.net', RIGHT)
  h.findings(buffer, 0)
  h.go('one channel')
  h.keys('C🙂🙂 𝔸 é<Esc>jAx<Esc>')
  h.findings(buffer, 1)
  h.keys('A<BS><Esc>')
  h.findings(buffer, 0)
end)

h.test('a hover says what a layer does to the shape', function()
  open('hover.net', RIGHT)
  h.go('conv2d')
  h.contains(h.float(vim.lsp.buf.hover), '16x28x28')
end)

h.test('a file is laid out', function()
  local buffer = open('format.net', 'model   M{\ninput 1x28x28 # 🙂\n  conv2d   8 3x3->relu\n flatten;linear   10\n}\n')
  h.findings(buffer, 0)
  vim.lsp.buf.formatting_sync(nil, 5000)
  h.contains(h.text(buffer), '\n    conv2d 8 3x3 -> relu\n')
end)

h.run()
