/**
 * The dissector in Lua: a postdissector, since Wireshark 4.0 lets no Lua dissector register for a DCE/RPC interface. It
 * takes the PDUs that Wireshark's DCE/RPC found, reads their headers once more, and puts fragments together itself.
 */
export const LUA_DISSECTOR: string = String.raw`
local busbar = Proto("busbar", "Busbar call")
local fields = {
  interface = ProtoField.string("busbar.interface", "Interface"),
  method = ProtoField.string("busbar.method", "Method"),
  direction = ProtoField.string("busbar.direction", "Direction"),
  fault = ProtoField.string("busbar.error", "Error"),
  undecoded = ProtoField.string("busbar.undecoded", "Cannot be decoded"),
}
busbar.fields = { fields.interface, fields.method, fields.direction, fields.fault, fields.undecoded }

local find_pdus = Field.new("dcerpc")
local find_stream = Field.new("tcp.stream")
local find_comments = Field.new("frame.comment")

local REQUEST, RESPONSE, FAULT, BIND, ALTER = 0, 2, 3, 11, 14
local EXTENT_ERROR = "e5402e29-9286-5781-a8d7-8f1f37e3a55f"
local EXTENT_DEADLINE = "8cc8533c-04e2-53c5-b20f-8e93d636fdc3"

-- By TCP stream: interfaces by context, calls under way, fragments that came.
local streams = {}
-- By frame: what each of its PDUs was, so that looking at it again gives the same.
local known = {}

function busbar.init()
  streams = {}
  known = {}
end

local function state(stream)
  if streams[stream] == nil then streams[stream] = { contexts = {}, calls = {}, parts = {} } end
  return streams[stream]
end

local function bit(value, mask)
  return math.floor(value / mask) % 2 == 1
end

-- Presentation contexts of a bind: id, abstract syntax, transfer syntaxes.
local function read_contexts(c, contexts)
  local count = number(c, 1)
  take(c, 3)
  for _ = 1, count do
    local id = number(c, 2)
    local syntaxes = number(c, 1)
    take(c, 1)
    local uuid = guid(c)
    local major = number(c, 4) % 65536
    for _ = 1, syntaxes do take(c, 20) end
    if interfaces[uuid] ~= nil then contexts[id] = { uuid = uuid, major = major } end
  end
end

local function operation_of(interface, opnum, object)
  for _, one in ipairs(interface.operations) do
    if (object and one.objectOpnum or one.plainOpnum) == opnum then return one end
  end
  return nil
end

-- The number and the texts of an error extent (docs/protocol/objects.md).
local function error_of(c, at, size)
  local inner = cursor(c.tvb:range(at, size):tvb(), 0, size, true)
  local texts = { string.format("BUS-%04d", number(inner, 4)) }
  for _ = 1, 3 do
    inner.at = inner.at
    local low, high = take(inner, 1):uint(), take(inner, 1):uint()
    local piece = take(inner, high * 256 + low)
    if piece ~= nil then texts[#texts + 1] = piece:string() end
  end
  return table.concat(texts, " ")
end

-- Extents behind ORPCTHIS or ORPCTHAT (MS-DCOM 2.2.21).
local function extents(c, tree)
  if number(c, 4) == 0 then return end
  local count = number(c, 4)
  number(c, 4)
  if number(c, 4) == 0 then return end
  local slots = number(c, 4)
  local present = 0
  for _ = 1, slots do if number(c, 4) ~= 0 then present = present + 1 end end
  for _ = 1, present do
    local room = number(c, 4)
    local id = guid(c)
    local size = number(c, 4)
    local range, at = take(c, room)
    if id == EXTENT_DEADLINE and size >= 4 then
      tree:add(range, "Deadline: " .. range:range(0, 4):le_uint() .. " ms")
    elseif id == EXTENT_ERROR and size <= room then
      tree:add(fields.fault, range, error_of(c, at, size))
    elseif range ~= nil then
      tree:add(range, "Extent " .. id .. ": " .. size .. " bytes")
    end
  end
end

local function read_request(c, object, operation, tree)
  if object then
    local range = take(c, 28)
    tree:add(range, "ORPCTHIS")
    extents(c, tree)
  end
  parameters(c, operation.request, tree)
end

-- Which interface a request is for when its bind was before the capture: the one that it fits, of several the one that
-- the pipe is named after.
local function guess(range, stub, length, opnum, object, little, service)
  local found, named, count = nil, nil, 0
  for uuid, interface in pairs(interfaces) do
    local operation = operation_of(interface, opnum, object)
    if operation ~= nil then
      local fits = pcall(function()
        local c = cursor(length > 0 and range:range(stub, length):tvb() or nil, 0, length, little)
        read_request(c, object, operation, silent)
        if c.at < c.stop then error({}) end
      end)
      if fits then
        found, count = uuid, count + 1
        if interface.name == service then named = uuid end
      end
    end
  end
  if count == 1 then return found end
  return named
end

-- What one PDU is: nil when it is of no interest.
local function classify(range, stream)
  local pdu = range:tvb()
  local little = math.floor(pdu:range(4, 1):uint() / 16) == 1
  local c = cursor(pdu, 8, pdu:len(), little)
  local kind, flags = pdu:range(2, 1):uint(), pdu:range(3, 1):uint()
  local length = number(c, 2)
  local auth = number(c, 2)
  local id = number(c, 4)
  local s = state(stream)
  if length > pdu:len() or auth > 0 then return nil end
  if kind == BIND or kind == ALTER then
    c.at = 24
    read_contexts(c, s.contexts)
    return nil
  end
  if kind ~= REQUEST and kind ~= RESPONSE and kind ~= FAULT then return nil end
  c.at = 20
  local context = number(c, 2)
  local stub
  if kind == REQUEST then
    local opnum = number(c, 2)
    stub = 24
    local interface = s.contexts[context]
    -- Calls on objects name the object, and their interface in version 0.0 (MS-DCOM); plain ones may name an object too.
    local object = bit(flags, 128)
    if object then stub = 40 end
    if interface == nil and bit(flags, 1) and bit(flags, 2) then
      local uuid = guess(range, stub, length - stub, opnum, object, little, s.service)
      if uuid ~= nil then
        interface = { uuid = uuid, major = 0, guessed = true }
        s.contexts[context] = interface
      end
    end
    object = object and interface ~= nil and interface.major == 0
    if bit(flags, 1) then
      s.calls[id] = interface and { uuid = interface.uuid, opnum = opnum, object = object, guessed = interface.guessed }
    end
  else
    stub = kind == FAULT and 32 or 24
  end
  local call = s.calls[id]
  if call == nil then return nil end
  local found = { kind = kind, call = call, little = little, stub = stub, length = length - stub, last = bit(flags, 2) }
  if kind == FAULT then
    c.at = 24
    found.status = number(c, 4)
    return found
  end
  if bit(flags, 1) and bit(flags, 2) then return found end
  local key = kind .. ":" .. id
  if bit(flags, 1) then s.parts[key] = ByteArray.new() end
  local parts = s.parts[key]
  if parts == nil then return nil end
  if found.length > 0 then parts:append(range:range(stub, found.length):bytes()) end
  if found.last then
    found.bytes = parts
    s.parts[key] = nil
  end
  return found
end

local function read_response(c, found, operation, tree)
  local failed = false
  if found.call.object then
    local range = take(c, 4)
    tree:add(range, "ORPCTHAT")
    extents(c, tree)
    local status = c.tvb:range(c.stop - 4, 4)
    local value = c.little and status:le_uint() or status:uint()
    tree:add(status, string.format("HRESULT: 0x%08x", value))
    failed = value >= 2147483648
    c.stop = c.stop - 4
  end
  -- The result of a call that failed is empty.
  if failed then return end
  parameters(c, operation.reply, tree)
  if operation.returns ~= nil then whole(c, operation.returns, tree, "returned") end
end

local function show(found, range, tree, pinfo)
  local interface = interfaces[found.call.uuid]
  local operation = operation_of(interface, found.call.opnum, found.call.object)
  local name = interface.name .. "." .. (operation and operation.name or ("opnum " .. found.call.opnum))
  local direction = found.kind == REQUEST and "request" or found.kind == RESPONSE and "response" or "fault"
  if not found.last then return end
  pinfo.cols.info:append(" " .. name .. (found.kind == REQUEST and "" or " " .. direction))
  local tvb, start, stop = range:tvb(), found.stub, found.stub + found.length
  if found.bytes ~= nil then
    tvb, start, stop = found.bytes:tvb(name .. " " .. direction), 0, found.bytes:len()
  end
  local line = tree:add(busbar, range, "Busbar " .. direction .. ": " .. name .. (found.call.guessed and " (interface guessed)" or ""))
  line:add(fields.interface, interface.name)
  line:add(fields.method, operation and operation.name or "?")
  line:add(fields.direction, direction)
  if found.kind == FAULT then
    line:add(fields.fault, string.format("status 0x%08x", found.status))
    return
  end
  if operation == nil or stop == start then return end
  -- Alignment counts from the start of the stub.
  local c = cursor(tvb:range(start, stop - start):tvb(), 0, stop - start, found.little)
  local ok, failure = pcall(function()
    if found.kind == REQUEST then read_request(c, found.call.object, operation, line) else read_response(c, found, operation, line) end
    if found.call.object and found.kind == RESPONSE then return end
    if c.at < c.stop then error({ message = (c.stop - c.at) .. " bytes behind the last parameter" }) end
  end)
  if not ok then
    local message = type(failure) == "table" and failure.message or tostring(failure)
    line:add(fields.undecoded, message)
  end
end

function busbar.dissector(_, pinfo, tree)
  local stream = find_stream()
  if stream == nil then return end
  local frame = pinfo.number
  local first = known[frame] == nil
  if first then
    known[frame] = {}
    -- A capture of ours says in each pipe's first packet which service it is.
    for _, comment in ipairs({ find_comments() }) do
      local service = tostring(comment.value):match("^%S+ %(epoch %d+%) opened [^/%s]+/([^,%s]+), ")
      if service ~= nil then state(stream.value).service = service end
    end
  end
  for i, pdu in ipairs({ find_pdus() }) do
    local range = pdu.range
    if range ~= nil and range:len() >= 16 then
      if first then
        local ok, found = pcall(classify, range, stream.value)
        known[frame][i] = ok and found or false
      end
      local found = known[frame][i]
      if found then show(found, range, tree, pinfo) end
    end
  end
end

register_postdissector(busbar)
`
