-- Reads what is in use of a subject's limits.
-- KEYS: its hash and its set of slots. ARGV: rps, burst.
-- Returns: now (us), level, tokens, newest second, slots taken, spent on day and month.
local rps, burst = tonumber(ARGV[1]), tonumber(ARGV[2]) * 1000000
local v = redis.call('HMGET', KEYS[1], 'r', 'ra', 'ts', 'th', 'tl', 'dp', 'ds', 'mp', 'ms')
local level = burst
if v[1] then
  level = math.min(tonumber(v[1]) + math.floor(math.min(math.max(now - tonumber(v[2]), 0) * rps, burst)), burst)
end
local sum = roll(KEYS[1], v[3], v[4])
local spentDay, spentMonth = '0', '0'
if v[6] and tonumber(v[6]) >= day then spentDay = v[7] end
if v[8] and tonumber(v[8]) >= month then spentMonth = v[9] end
local taken = redis.call('ZCOUNT', KEYS[2], int(math.floor(now / 1000) + 1), '+inf')
return {int(now), int(level), int(sum), int(tonumber(v[5] or 0)), taken, spentDay, spentMonth}
