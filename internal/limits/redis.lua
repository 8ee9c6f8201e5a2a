-- What both scripts share. Each subject has a hash with these fields:
--   r, ra    level of the request bucket in millionths, and when it was true (microseconds)
--   ts, th   tokens of the window, and its newest second; t<second> for each second of it
--   tl       the newest second in which tokens were counted
--   dp, ds   number of the day, and the money spent on it; mp, ms the same of the month
-- Money is compared as decimal text and added by HINCRBY: a Lua number would round it.
local WINDOW = 61
local clock = redis.call('TIME')
local sec = tonumber(clock[1])
local now = sec * 1000000 + tonumber(clock[2])
local day = math.floor(sec / 86400)

-- atLeast compares money.
local function atLeast(spent, other)
  if #spent ~= #other then return #spent > #other end
  return spent >= other
end

local function int(n) return string.format('%.0f', n) end

-- The civil calendar from the number of a day: months counted from March make
-- the leap day the last of a year.
local function calendar(z)
  z = z + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local m, y = mp + 3, yoe + era * 400
  if m > 12 then m, y = m - 12, y + 1 end
  return y * 12 + m - 1
end
local month = calendar(day)

-- roll lets what is older than a minute fall out of a window; it returns the
-- sum that is left and the second that counts as now.
local function roll(hash, sum, head)
  sum, head = tonumber(sum or 0), tonumber(head or sec)
  if sec <= head then return sum, head end
  local gone = {}
  for k = head - WINDOW + 1, math.min(head, sec - WINDOW) do gone[#gone + 1] = 't' .. int(k) end
  if #gone > 0 then
    for _, v in ipairs(redis.call('HMGET', hash, unpack(gone))) do
      if v then sum = sum - tonumber(v) end
    end
    redis.call('HDEL', hash, unpack(gone))
  end
  redis.call('HSET', hash, 'ts', int(sum), 'th', int(sec))
  return sum, sec
end
