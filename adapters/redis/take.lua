-- One token bucket, kept as the time (microseconds) when it is full again. Returns the
-- microseconds to wait, 0 if a token was taken.
local parts = redis.call('TIME')
local now = parts[1] * 1000000 + parts[2]
local cost, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + cost
local wait = full_at - now - period
if wait > 0 then
    return math.ceil(wait)
end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return 0
