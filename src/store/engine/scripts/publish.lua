-- Appends entries to the log of a hub, in order, and trims it.
-- KEYS: log, head, subscriptions of this machine, revocations (the last two are only needed by operations)
-- ARGV: generation, writer, counter of the first entry, bounds (entries, bytes, microseconds; 0: none), the least that
--       the log keeps (entries, bytes), the fork ("": none), then for each entry: stored bytes, blob, operation
--       (store/engine/entry.h)
-- Returns the newest number, and the last counter of this writer.
local w = 'w:' .. ARGV[2]
local head = redis.call('HMGET', KEYS[2], 'g', 'n', 'c', w)
if head[1] ~= ARGV[1] then return redis.error_reply('MRESET another generation') end
local n, c, done, counter = tonumber(head[2]), tonumber(head[3]), tonumber(head[4] or 0), tonumber(ARGV[3])
local t = redis.call('TIME')
local us = string.format('%s%06d', t[1], t[2])
local before, first = n, done
local function operate(op, rest)
  if op == '+' then return redis.call('ZADD', KEYS[3], 0, rest) == 1 end
  if op == '-' then return redis.call('ZREM', KEYS[3], rest) == 1 end
  if op == 'r' or op == 'l' then
    local score, member = string.match(rest, '^(%d+) (.*)$')
    for _, old in ipairs(redis.call('ZRANGE', KEYS[4], '-' .. us, us, 'BYSCORE', 'LIMIT', 0, 16)) do
      redis.call('ZREM', KEYS[4], old) -- it has ended
    end
    redis.call('ZADD', KEYS[4], op == 'l' and '-' .. score or score, member)
  end
  return true
end
for i = 10, #ARGV, 3 do
  if counter > done then
    done = counter
    if operate(string.sub(ARGV[i + 2], 1, 1), string.sub(ARGV[i + 2], 2)) then
      n, c = n + 1, c + ARGV[i]
      local id, h = string.format('%.0f-%s', n, ARGV[1]), string.format('%s %.0f %s %.0f', us, c, ARGV[2], counter)
      if ARGV[9] == '' then redis.call('XADD', KEYS[1], id, 'h', h, 'b', ARGV[i + 1])
      else redis.call('XADD', KEYS[1], id, 'h', h, 'b', ARGV[i + 1], 'f', ARGV[9]) end
    end
  end
  counter = counter + 1
end
if done > first then
  redis.call('HSET', KEYS[2], 'n', string.format('%.0f', n), 'c', string.format('%.0f', c), w, string.format('%.0f', done))
end
if math.floor(n / 64) > math.floor(before / 64) then
  local maxn, maxc, maxa = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
  local minn, minc = tonumber(ARGV[7]), tonumber(ARGV[8])
  local removed
  while true do
    local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
    if not oldest then break end
    local on = tonumber(string.match(oldest[1], '^%d+'))
    local ot, oc = string.match(oldest[2][2], '^(%d+) (%d+)')
    local over = not ot or (maxn > 0 and n - on >= maxn + 64) or (maxc > 0 and c - oc > maxc + 65536)
      or (maxa > 0 and us - ot > maxa)
    local spare = not ot or n - on >= minn + 64 or c - oc > minc + 65536
    if not over or not spare or on + 64 > n then break end
    local last = string.format('%.0f', on + 63)
    local entry = redis.call('XRANGE', KEYS[1], last, last)[1]
    local time, origin = string.match(entry and entry[2][2] or '', '^(%d+) %d+ (.*)$')
    removed = last .. ' ' .. (time and time .. ' ' .. origin or '')
    redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', on + 64))
  end
  if removed then redis.call('HSET', KEYS[2], 't', removed) end -- see join.lua
end
return {string.format('%.0f', n), string.format('%.0f', done)}
