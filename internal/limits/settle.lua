-- Settles a batch, once: a batch that comes again because its answer was lost
-- changes nothing.
-- KEYS: number of the replica's last batch; then for each entry a hash and a set of slots.
-- ARGV: number of this batch; for each entry lease ('' = none), second, refund, extra, cost, life of the hash (ms),
-- and the least that is known to be spent on day and month.
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) >= tonumber(ARGV[1]) then return 0 end

local function spend(hash, period, number, sum, cost)
  local p = redis.call('HGET', hash, period)
  if not p or tonumber(p) < number then redis.call('HSET', hash, period, int(number), sum, '0') end
  redis.call('HINCRBY', hash, sum, cost)
end

-- raise makes a sum at least what is known from elsewhere.
local function raise(hash, period, number, sum, least)
  local v = redis.call('HMGET', hash, period, sum)
  if not v[1] or tonumber(v[1]) < number or tonumber(v[1]) == number and not atLeast(v[2], least) then
    redis.call('HSET', hash, period, int(number), sum, least)
  end
end

for i = 1, (#KEYS - 1) / 2 do
  local hash, slots, a = KEYS[2 * i], KEYS[2 * i + 1], 1 + (i - 1) * 8
  local lease, second, refund, extra, cost, expire = ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]), ARGV[a + 5], ARGV[a + 6]
  if lease ~= '' then redis.call('ZREM', slots, lease) end
  if refund > 0 then
    local there = redis.call('HGET', hash, 't' .. second)
    if there then
      local back = int(-math.min(refund, tonumber(there)))
      redis.call('HINCRBY', hash, 't' .. second, back)
      redis.call('HINCRBY', hash, 'ts', back)
    end
  end
  if extra > 0 then
    local v = redis.call('HMGET', hash, 'ts', 'th')
    local sum, head = roll(hash, v[1], v[2])
    redis.call('HINCRBY', hash, 't' .. int(head), int(extra))
    redis.call('HSET', hash, 'ts', int(sum + extra), 'th', int(head), 'tl', int(head))
    redis.call('PEXPIRE', hash, expire)
  end
  if cost ~= '0' then
    spend(hash, 'dp', day, 'ds', cost)
    spend(hash, 'mp', month, 'ms', cost)
    redis.call('PEXPIRE', hash, expire)
  end
  local leastDay, leastMonth = ARGV[a + 7], ARGV[a + 8]
  if leastDay ~= '0' or leastMonth ~= '0' then
    raise(hash, 'dp', day, 'ds', leastDay)
    raise(hash, 'mp', month, 'ms', leastMonth)
    redis.call('PEXPIRE', hash, expire)
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', 86400000)
return 1
