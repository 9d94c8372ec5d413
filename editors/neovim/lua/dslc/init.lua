local M = {}

--- A line's text without its comment and what stands in quotes.
local function plain(row)
  return (vim.fn.getline(row):gsub('"[^"]*"?', ''):gsub('#.*', ''))
end

local function goes_on(row)
  return plain(row):find('^%s*%->') ~= nil
end

--- The next line above that is neither empty nor a comment; 0 where there is none.
local function above(row)
  repeat
    row = vim.fn.prevnonblank(row - 1)
  until row == 0 or plain(row):find('%S')
  return row
end

--- How far the line at `v:lnum` is indented: by the brackets that are open there, and once more where it begins with an
--- arrow.
function M.indent()
  local row = vim.v.lnum
  local from = above(row)
  if from == 0 then
    return 0
  end
  local text = plain(from):gsub('^[%s})%]]*', '')
  local _, opened = text:gsub('[{(%[]', '')
  local _, closed = text:gsub('[})%]]', '')
  while goes_on(from) and above(from) ~= 0 do
    from = above(from)
  end
  local steps = math.min(1, math.max(0, opened - closed))
  if plain(row):find('^%s*[})%]]') then
    steps = steps - 1
  elseif goes_on(row) then
    steps = steps + 1
  end
  return vim.fn.indent(from) + vim.fn.shiftwidth() * steps
end

return M
