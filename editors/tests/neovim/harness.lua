-- Tests inside a running editor: each is a coroutine that the event loop resumes, so that keys are typed, answers arrive
-- and windows open as they do for a person. Fit for Neovim 0.7 too.

local M = {}

local tests = {}
local folder = vim.fn.tempname()
vim.fn.mkdir(folder, 'p')

function M.test(name, body)
  table.insert(tests, { name = name, body = body })
end

--- Until `get` gives something true, which is returned; fails after some seconds, with what `describe` says.
function M.eventually(what, get, describe)
  local this = coroutine.running()
  local left = 400
  while true do
    local got = get()
    if got then
      return got
    end
    left = left - 1
    if left == 0 then
      error('in vain: ' .. what .. (describe and (', but ' .. vim.inspect(describe())) or ''), 2)
    end
    vim.defer_fn(function() coroutine.resume(this) end, 25)
    coroutine.yield()
  end
end

function M.equal(got, wanted, what)
  if not vim.deep_equal(got, wanted) then
    error((what or 'value') .. ':\n   got ' .. vim.inspect(got) .. '\nwanted ' .. vim.inspect(wanted), 2)
  end
end

function M.contains(text, part)
  if not text:find(part, 1, true) then
    error(vim.inspect(text) .. ' does not contain ' .. vim.inspect(part), 2)
  end
end

--- Types keys, in the notation of mappings.
function M.keys(keys)
  vim.api.nvim_input(keys)
end

--- A file with this text on the disk and in a window, with `attach` called on its buffer.
function M.open(name, text, attach)
  local path = folder .. '/' .. name
  local file = assert(io.open(path, 'w'))
  file:write(text)
  file:close()
  vim.cmd('edit! ' .. vim.fn.fnameescape(path))
  local buffer = vim.api.nvim_get_current_buf()
  if attach then
    attach(buffer)
  end
  return buffer
end

function M.text(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n') .. '\n'
end

--- The cursor on the first place of a text, counted in bytes; its line and column from 0.
function M.go(needle)
  for row, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do
    local column = line:find(needle, 1, true)
    if column then
      vim.api.nvim_win_set_cursor(0, { row, column - 1 })
      return row - 1, column - 1
    end
  end
  error('no ' .. needle .. ' in the text', 2)
end

--- The findings of a buffer, once there are as many as this, as `CODE row:column-column`.
function M.findings(buffer, n)
  local function shown()
    local found = vim.diagnostic.get(buffer)
    table.sort(found, function(a, b) return a.lnum < b.lnum or a.lnum == b.lnum and a.col < b.col end)
    return vim.tbl_map(function(d)
      local code = d.code or (d.user_data and d.user_data.lsp and d.user_data.lsp.code)
      return ('%s %d:%d-%d'):format(code, d.lnum, d.col, d.end_col)
    end, found)
  end
  M.eventually(n .. ' findings', function() return #vim.diagnostic.get(buffer) == n end, shown)
  return shown()
end

--- The lines of the floating window, once there is one.
--- `ask` asks for it, and again after each half second: a move of the cursor that is only now told closes what the
--- server, which is fast, has opened already.
function M.float(ask)
  local tries = 0
  return M.eventually('a floating window', function()
    if tries % 20 == 0 then
      ask()
    end
    tries = tries + 1
    for _, window in ipairs(vim.api.nvim_list_wins()) do
      if vim.api.nvim_win_get_config(window).relative ~= '' then
        local lines = vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(window), 0, -1, false)
        vim.api.nvim_win_close(window, true)
        return table.concat(lines, '\n')
      end
    end
  end)
end

--- Runs all tests, prints a line for each, and ends the editor.
function M.run()
  vim.o.showmode = false
  local failed = 0
  coroutine.wrap(function()
    for _, test in ipairs(tests) do
      local this = coroutine.running()
      local ended
      local inner = coroutine.create(function()
        local ok, why = xpcall(test.body, debug.traceback)
        M.keys('<Esc>')
        M.eventually('normal mode', function() return vim.api.nvim_get_mode().mode == 'n' end)
        ended = { ok, why }
        vim.schedule(function() coroutine.resume(this) end)
      end)
      vim.schedule(function() coroutine.resume(inner) end)
      coroutine.yield()
      failed = failed + (ended[1] and 0 or 1)
      -- Behind what the editor itself has written.
      io.stdout:write('\n' .. (ended[1] and 'ok ' or 'not ok ') .. test.name .. '\n' .. (ended[1] and '' or ended[2] .. '\n'))
    end
    io.stdout:flush()
    vim.cmd(failed == 0 and 'qall!' or 'cquit')
  end)()
end

return M
