-- Takes all of a call's limits or none.
-- KEYS: for each subject its hash and its set of slots.
-- ARGV: lease, life of a lease (ms); for each subject rps, burst, tpm, concurrency, day, month, life of its hash (ms), tokens.
-- Returns: refusing subject (0 = admitted), limit, wait (us), now (us); for each subject level, tokens, newest second,
-- spent on day and month, second in which tokens were counted.
local lease, life = ARGV[1], tonumber(ARGV[2])
local ms = math.floor(now / 1000)
local n = #KEYS / 2
local by, limit, longest = 0, 0, -1
local subjects = {}

local function refuse(i, what, wait)
  if wait > longest then by, limit, longest = i, what, wait end
end

local function frees(hash, head, sum, most)
  local names = {}
  for k = head - WINDOW + 1, head do names[#names + 1] = 't' .. int(k) end
  for j, v in ipairs(redis.call('HMGET', hash, unpack(names))) do
    if v then sum = sum - tonumber(v) end
    if sum <= most then return (head - WINDOW + j + WINDOW) * 1000000 - now end
  end
  return 0
end

for i = 1, n do
  local hash, slots, a = KEYS[2 * i - 1], KEYS[2 * i], 2 + (i - 1) * 8
  local s = {
    rps = tonumber(ARGV[a + 1]), burst = tonumber(ARGV[a + 2]) * 1000000, tpm = tonumber(ARGV[a + 3]), most = tonumber(ARGV[a + 4]),
    dayMost = ARGV[a + 5], monthMost = ARGV[a + 6], expire = ARGV[a + 7], tokens = tonumber(ARGV[a + 8]), level = 0, sum = 0, head = sec, last = 0,
  }
  subjects[i] = s
  local v = redis.call('HMGET', hash, 'r', 'ra', 'ts', 'th', 'tl', 'dp', 'ds', 'mp', 'ms')
  if s.rps > 0 then
    s.level, s.at = s.burst, now
    if v[1] then
      s.at = math.max(now, tonumber(v[2]))
      s.level = math.min(tonumber(v[1]) + math.floor(math.min((s.at - tonumber(v[2])) * s.rps, s.burst)), s.burst)
    end
    if s.level < 1000000 then refuse(i, 1, math.ceil((1000000 - s.level) / s.rps)) end
  end
  if s.tpm > 0 then
    s.sum, s.head = roll(hash, v[3], v[4])
    s.last = tonumber(v[5] or 0)
    if s.sum + s.tokens > s.tpm then refuse(i, 2, frees(hash, s.head, s.sum, s.tpm - s.tokens)) end
  end
  if s.most > 0 then
    redis.call('ZREMRANGEBYSCORE', slots, '-inf', int(ms))
    if redis.call('ZCARD', slots) >= s.most then refuse(i, 4, 1000000) end
  end
  s.day, s.month = '0', '0'
  if v[6] and tonumber(v[6]) >= day then s.day = v[7] end
  if v[8] and tonumber(v[8]) >= month then s.month = v[9] end
  if s.dayMost ~= '0' and atLeast(s.day, s.dayMost) then refuse(i, 5, (day + 1) * 86400000000 - now) end
  if s.monthMost ~= '0' and atLeast(s.month, s.monthMost) then refuse(i, 6, 40 * 86400000000) end
end

local out = {by, limit, longest, int(now)}
for i = 1, n do
  local hash, slots, s = KEYS[2 * i - 1], KEYS[2 * i], subjects[i]
  if by == 0 then
    local set = {}
    if s.rps > 0 then
      s.level = s.level - 1000000
      set = {'r', int(s.level), 'ra', int(s.at)}
    end
    if s.tpm > 0 and s.tokens > 0 then
      s.sum, s.last = s.sum + s.tokens, s.head
      redis.call('HINCRBY', hash, 't' .. int(s.head), int(s.tokens))
      for _, v in ipairs({'ts', int(s.sum), 'th', int(s.head), 'tl', int(s.head)}) do set[#set + 1] = v end
    end
    if #set > 0 then
      redis.call('HSET', hash, unpack(set))
      redis.call('PEXPIRE', hash, s.expire)
    end
    if s.most > 0 then
      redis.call('ZADD', slots, int(ms + life), lease)
      redis.call('PEXPIRE', slots, int(2 * life))
    end
  end
  for _, v in ipairs({int(s.level), int(s.sum), int(s.last), s.day, s.month}) do out[#out + 1] = v end
  out[#out + 1] = int(s.head)
end
return out
