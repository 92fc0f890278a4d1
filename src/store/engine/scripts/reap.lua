-- Removes a machine that is dead: its subscriptions, with one entry for each, and then the machine itself.
-- KEYS: log, head, machines, subscriptions of the dead machine
-- ARGV: generation, the dead machine, the value that it reported last, writer and counter for the first entry, then
--       for each subscription: member, stored bytes, blob (empty: no entry)
-- Returns the number of subscriptions that are left, or -1 if the machine lives, or is gone.
local head = redis.call('HMGET', KEYS[2], 'g', 'n', 'c')
if head[1] ~= ARGV[1] then return redis.error_reply('MRESET another generation') end
if redis.call('HGET', KEYS[3], ARGV[2]) ~= ARGV[3] then return -1 end
local n, c, counter = tonumber(head[2]), tonumber(head[3]), tonumber(ARGV[5])
local t = redis.call('TIME')
local us = string.format('%s%06d', t[1], t[2])
local before = n
for i = 6, #ARGV, 3 do
  if redis.call('ZREM', KEYS[4], ARGV[i]) == 1 and ARGV[i + 2] ~= '' then
    n, c = n + 1, c + ARGV[i + 1]
    redis.call('XADD', KEYS[1], string.format('%.0f-%s', n, ARGV[1]), 'h',
      string.format('%s %.0f %s %.0f', us, c, ARGV[4], counter), 'b', ARGV[i + 2])
  end
  counter = counter + 1
end
if n > before then redis.call('HSET', KEYS[2], 'n', string.format('%.0f', n), 'c', string.format('%.0f', c)) end
local left = redis.call('ZCARD', KEYS[4])
if left == 0 then redis.call('HDEL', KEYS[3], ARGV[2]) end
return left
