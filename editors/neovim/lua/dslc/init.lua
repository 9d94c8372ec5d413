local M = {}

--- A line's text without its comment and what stands in quotes.
local function plain(text)
  return (text:gsub('"[^"]*"', ''):gsub('#.*', ''))
end

--- How far the line at `v:lnum` is indented: by the brackets that the line above leaves open.
function M.indent()
  local above = vim.fn.prevnonblank(vim.v.lnum - 1)
  if above == 0 then
    return 0
  end
  local _, opened = plain(vim.fn.getline(above)):gsub('^[%s})%]]*', ''):gsub('[{(%[]', '')
  local _, closed = plain(vim.fn.getline(above)):gsub('^[%s})%]]*', ''):gsub('[})%]]', '')
  local closes = plain(vim.fn.getline(vim.v.lnum)):match('^%s*[})%]]') and 1 or 0
  return vim.fn.indent(above) + vim.fn.shiftwidth() * (math.min(1, math.max(0, opened - closed)) - closes)
end

return M
