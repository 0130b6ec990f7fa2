/**
 * NDR 2.0 in Lua, by the rules of docs/protocol/objects.md: a type is decoded in place, and what it points to behind the
 * construct around it. Values become lines of the tree. Every read is checked against what is left.
 */
export const LUA_DECODER: string = String.raw`
local NDR_MAX_DEPTH = 64
local NDR_MAX_SHOWN = 200

-- A place in a stub: tvb, offset, byte order.
local function cursor(tvb, at, stop, little)
  return { tvb = tvb, at = at, stop = stop, little = little, depth = 0 }
end

local function align(c, size)
  c.at = math.floor((c.at + size - 1) / size) * size
end

local function take(c, length)
  if length < 0 or c.at + length > c.stop then
    error({ message = "needs " .. length .. " bytes at " .. c.at .. ", " .. math.max(0, c.stop - c.at) .. " are left" })
  end
  local at = c.at
  c.at = at + length
  if length == 0 then return nil, at end
  return c.tvb:range(at, length), at
end

local function number(c, size)
  align(c, size)
  local range = take(c, size)
  if c.little then return range:le_uint(), range end
  return range:uint(), range
end

local function guid(c)
  align(c, 4)
  local range = take(c, 16)
  local bytes = range:bytes()
  local order = c.little and { 3, 2, 1, 0, 5, 4, 7, 6 } or { 0, 1, 2, 3, 4, 5, 6, 7 }
  for i = 8, 15 do order[#order + 1] = i end
  local text = ""
  for i, from in ipairs(order) do
    if i == 5 or i == 7 or i == 9 or i == 11 then text = text .. "-" end
    text = text .. string.format("%02x", bytes:get_index(from))
  end
  return text, range
end

local function date(low, high)
  local seconds = (high * 4294967296 + low) / 10000000 - 11644473600
  local whole = math.floor(seconds)
  if whole < 0 or whole > 253402300799 then return "100 ns since 1601: " .. high .. " * 2^32 + " .. low end
  return os.date("!%Y-%m-%dT%H:%M:%S", whole) .. string.format(".%03dZ", math.floor((seconds - whole) * 1000 + 0.5) % 1000)
end

local signed = { small = true, short = true, long = true, hyper = true }

local function base(c, t)
  align(c, t.size)
  local range = take(c, t.size)
  if t.base == "float" or t.base == "double" then
    local value = c.little and range:le_float() or range:float()
    return tostring(value), range
  end
  if t.size == 8 then
    local first, second = range:range(0, 4), range:range(4, 4)
    local low = c.little and first:le_uint() or second:uint()
    local high = c.little and second:le_uint() or first:uint()
    if t.as == "date" then return date(low, high), range end
    if signed[t.base] then return tostring(c.little and range:le_int64() or range:int64()), range end
    return tostring(c.little and range:le_uint64() or range:uint64()), range
  end
  local value
  if signed[t.base] then value = c.little and range:le_int() or range:int()
  else value = c.little and range:le_uint() or range:uint() end
  if t.as == "boolean" then return value == 0 and "false" or "true", range, value end
  if t.as == "unit" and value >= 32 and value < 127 then return "'" .. string.char(value) .. "'", range, value end
  if t.base == "error_status_t" then return string.format("0x%08x", value), range, value end
  return tostring(value), range, value
end

local function conformant(t)
  if t.kind == "struct" then return t.conformant end
  return t.kind == "array" and (t.shape.form == "conformant" or t.shape.form == "conformant-varying")
end

local decode

-- The line of something that has parts, closed when they are known.
local function branch(c, tree, name)
  return tree:add(c.tvb:range(math.min(c.at, c.stop - 1), 0), name)
end

local function label(t, value)
  for _, one in ipairs(t.labels) do if one.value == value then return one.name end end
  return "value " .. value .. " that has no name"
end

-- Decodes what was put off, each with what it puts off in turn.
local function settle(c, later)
  for _, run in ipairs(later) do run() end
end

-- A type as a whole: with everything that it points to.
local function whole(c, t, tree, name, size)
  local later = {}
  decode(c, t, tree, name, later, size)
  settle(c, later)
end

local function text(c, t, tree, name, count)
  local unit = t.item.size
  local range = take(c, count * unit)
  if range == nil then tree:add(name .. ': ""') return end
  local value
  if unit == 2 then value = c.little and range:le_ustring() or range:ustring()
  else value = range:string() end
  value = value:gsub("\0.*$", "")
  tree:add(range, name .. ': "' .. value .. '"')
end

-- size is the maximum count where it stood in front of a structure around the array.
local function array(c, t, tree, name, later, size)
  local shape = t.shape
  local count
  if shape.form == "fixed" then count = shape.length end
  if conformant(t) then
    count = size
    if count == nil then count = number(c, 4) end
  end
  if shape.form == "varying" or shape.form == "conformant-varying" then
    local offset = number(c, 4)
    local most = count or shape.most
    count = number(c, 4)
    if offset ~= 0 or count > most then error({ message = name .. ": " .. count .. " items at " .. offset .. " of " .. most }) end
  end
  if t.as == "text" then return text(c, t, tree, name, count) end
  if t.as == "bytes" then
    local range = take(c, count)
    if range == nil then tree:add(name .. ": 0 bytes") else tree:add(range, name .. ": " .. count .. " bytes") end
    return
  end
  if count > c.stop then error({ message = name .. ": " .. count .. " items in " .. c.stop .. " bytes" }) end
  local list = branch(c, tree, name .. ": " .. count .. (count == 1 and " item" or " items"))
  for i = 1, count do
    if i == NDR_MAX_SHOWN + 1 then list:add("(more)") end
    decode(c, t.item, list, "[" .. (i - 1) .. "]", later, nil, i > NDR_MAX_SHOWN)
  end
end

local function objref(c, t, tree, name)
  local room = number(c, 4)
  local length = number(c, 4)
  if room ~= length then error({ message = name .. ": a reference of " .. length .. " bytes in room for " .. room }) end
  local start = c.at
  local range = take(c, length)
  local known = interfaces[t.interface]
  local line = tree:add(range, name .. ": reference to " .. (known and known.name or t.interface))
  if length < 64 or c.tvb:range(start, 4):le_uint() ~= 0x574f454d then return end
  local inner = cursor(c.tvb, start + 8, start + length, true)
  -- A guid is aligned from where the OBJREF begins.
  local function field(title, offset)
    inner.at = 0
    local part = cursor(c.tvb:range(start + offset, 16):tvb(), 0, 16, true)
    local value = guid(part)
    line:add(c.tvb:range(start + offset, 16), title .. ": " .. value)
  end
  field("interface", 8)
  line:add(c.tvb:range(start + 28, 4), "references: " .. c.tvb:range(start + 28, 4):le_uint())
  field("object", 48)
end

-- Swallows what a decoder says.
local silent = {}
silent.add = function() return silent end
silent.set_text = silent.add

-- What is behind a pointer takes the pointer's line, so that members stay in order.
local function in_place_of(line)
  return {
    add = function(_, first, second)
      line:set_text(second or first)
      return line
    end,
  }
end

decode = function(c, t, tree, name, later, size, hidden)
  if hidden then tree = silent end
  c.depth = c.depth + 1
  if c.depth > NDR_MAX_DEPTH then error({ message = name .. ": nested too deep" }) end
  local kind = t.kind
  if kind == "base" then
    local value, range = base(c, t)
    tree:add(range, name .. ": " .. value)
  elseif kind == "enum" then
    local value, range = number(c, t.size)
    tree:add(range, name .. ": " .. label(t, value))
  elseif kind == "guid" then
    local value, range = guid(c)
    tree:add(range, name .. ": " .. value)
  elseif kind == "handle" then
    align(c, 4)
    local attributes = number(c, 4)
    local value, range = guid(c)
    tree:add(range, name .. ": handle " .. value .. (attributes == 0 and "" or ", attributes " .. attributes))
  elseif kind == "array" then
    array(c, t, tree, name, later, size)
  elseif kind == "struct" then
    if t.conformant and size == nil then size = number(c, 4) end
    align(c, t.align)
    -- A list is shown as its items alone.
    local inside = t.as == "object" and branch(c, tree, name) or tree
    for i, member in ipairs(t.members) do
      local title = t.as == "object" and member.name or name
      if t.as == "object" or i > 1 then
        decode(c, member.type, inside, title, later, i == #t.members and size or nil, hidden)
      else number(c, 4) end
    end
  elseif kind == "union" then
    local value, range
    if t.tag.kind == "enum" then
      value, range = number(c, t.tag.size)
    else
      local _
      _, range, value = base(c, t.tag)
    end
    local shown = t.tag.kind == "enum" and label(t.tag, value) or tostring(value)
    local inside = tree:add(range, name .. ": case " .. shown)
    local arm, found = t.fallback, t.fallback ~= nil
    for _, one in ipairs(t.arms) do
      if one.value == value then arm, found = one.type, true end
    end
    if not found then error({ message = name .. ": discriminant " .. value .. " has no arm" }) end
    if arm then decode(c, arm, inside, shown, later, nil, hidden) end
  elseif kind == "pointer" or kind == "interface" then
    local id, range = number(c, 4)
    local line = tree:add(range, name .. ": none")
    if id ~= 0 then
      later[#later + 1] = function()
        local place = in_place_of(line)
        if kind == "interface" then objref(c, t, place, name) else whole(c, t.to, place, name) end
      end
    end
  else
    error({ message = name .. ": unknown kind " .. tostring(kind) })
  end
  c.depth = c.depth - 1
end

-- Parameters one after the other: a reference pointer of a parameter's own is nothing on the wire.
local function parameters(c, list, tree)
  for _, parameter in ipairs(list) do
    local t = parameter.type
    while t.kind == "pointer" and t.pointer == "ref" do t = t.to end
    whole(c, t, tree, parameter.name)
  end
end
`
