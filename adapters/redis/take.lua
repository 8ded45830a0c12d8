-- One token bucket, kept as the time (microseconds) when it is full again. Takes up to ARGV[3]
-- tokens. Returns how many it took, or the microseconds to wait for one as a negative number.
local parts = redis.call('TIME')
local now = parts[1] * 1000000 + parts[2]
local cost, period, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local room = now + period - full_at
local taken = math.min(wanted, math.floor(room / cost))
if taken < 1 then
    return -math.ceil(cost - room)
end
full_at = full_at + taken * cost
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return taken
