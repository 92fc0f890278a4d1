-- Removes a machine that is dead: its subscriptions, with one entry for each, and then the machine itself. As long as only
-- some of the subscriptions are removed, the head has a mark: if the machine comes back, it learns that (beat.lua). With
-- the machine go the counters of writers that had no machine when one was removed 30 days ago, and have none now. The
-- script looks for them only once an hour, because there may be thousands.
-- KEYS: log, head, machines, subscriptions of the dead machine
-- ARGV: generation, the dead machine, the value that it reported last, writer and counter for the first entry, then
--       for each subscription: member, stored bytes, blob (empty: no entry)
-- Returns the number of subscriptions that are left, or -1 if the machine lives, or is gone.
local mark = 'x:' .. ARGV[2]
local head = redis.call('HMGET', KEYS[2], 'g', 'n', 'c')
if head[1] ~= ARGV[1] then return redis.error_reply('MRESET another generation') end
if redis.call('HGET', KEYS[3], ARGV[2]) ~= ARGV[3] then return -1 end
local n, c, counter = tonumber(head[2]), tonumber(head[3]), tonumber(ARGV[5])
local t = redis.call('TIME')
local us = string.format('%s%06d', t[1], t[2])
local before, removed = n, 0
for i = 6, #ARGV, 3 do
  local was_there = redis.call('ZREM', KEYS[4], ARGV[i])
  removed = removed + was_there
  if was_there == 1 and ARGV[i + 2] ~= '' then
    n, c = n + 1, c + ARGV[i + 1]
    redis.call('XADD', KEYS[1], string.format('%.0f-%s', n, ARGV[1]), 'h',
      string.format('%s %.0f %s %.0f', us, c, ARGV[4], counter), 'b', ARGV[i + 2])
  end
  counter = counter + 1
end
if n > before then
  redis.call('HSET', KEYS[2], 'n', string.format('%.0f', n), 'c', string.format('%.0f', c),
    'w:' .. ARGV[4], string.format('%.0f', counter - 1))
  redis.call('HDEL', KEYS[2], 'd:' .. ARGV[4])
end
local left = redis.call('ZCARD', KEYS[4])
if left > 0 then
  if removed > 0 then redis.call('HSET', KEYS[2], mark, '1') end
  return left
end
redis.call('HDEL', KEYS[3], ARGV[2])
redis.call('HDEL', KEYS[2], mark)
local swept = tonumber(redis.call('HGET', KEYS[2], 's') or '')
if swept and math.abs(t[1] - swept) < 3600 then return 0 end
redis.call('HSET', KEYS[2], 's', t[1])
local lives, since = {}, {}
local machines, fields = redis.call('HGETALL', KEYS[3]), redis.call('HGETALL', KEYS[2])
for i = 1, #machines, 2 do lives[string.sub(machines[i], -16)] = true end
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 2) == 'd:' then since[string.sub(fields[i], 3)] = tonumber(fields[i + 1]) end
end
for i = 1, #fields, 2 do
  local writer = string.match(fields[i], '^w:(.*)$')
  if writer and not lives[writer] then
    if not since[writer] then redis.call('HSET', KEYS[2], 'd:' .. writer, t[1])
    elseif t[1] - since[writer] > 30 * 86400 then redis.call('HDEL', KEYS[2], fields[i], 'd:' .. writer) end
  end
end
return 0
