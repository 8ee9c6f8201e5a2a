-- Renews slots that are in use. KEYS: the set of each; ARGV: life (ms), lease of each.
local till = int(math.floor(now / 1000) + tonumber(ARGV[1]))
for i, slots in ipairs(KEYS) do
  redis.call('ZADD', slots, till, ARGV[i + 1])
  redis.call('PEXPIRE', slots, int(2 * tonumber(ARGV[1])))
end
return 1
