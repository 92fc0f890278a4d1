-- A machine reports that it lives, and learns about the others.
-- KEYS: head, machines
-- ARGV: generation, machine, its value, the generation before the last reset ("": none), "1" if the machine knows
--       that it is listed
-- Returns the newest number, how far any machine had read the generation before, 1 if others have removed the machine,
-- or subscriptions of it, since it knew that (its value is not listed then), otherwise 0, the machines with their
-- values, and a number that changes when machines enter revocations again (enter.lua).
local mark = 'x:' .. ARGV[2] -- see reap.lua
local head = redis.call('HMGET', KEYS[1], 'g', 'n', 'o:' .. ARGV[4], mark, 'r')
if head[1] ~= ARGV[1] then return redis.error_reply('MRESET another generation') end
local value = redis.call('HGET', KEYS[2], ARGV[2])
local removed = ARGV[5] == '1' and (not value or value == '-')
if head[4] then -- with another value nobody goes on removing it, unless it dies before it is listed again
  redis.call('HSET', KEYS[2], ARGV[2], '-')
  redis.call('HDEL', KEYS[1], mark)
  removed = true
elseif not removed then redis.call('HSET', KEYS[2], ARGV[2], ARGV[3]) end
if ARGV[5] ~= '1' then redis.call('HDEL', KEYS[1], 'd:' .. string.sub(ARGV[2], -16)) end -- see reap.lua
return {head[2], head[3] or '0', removed and 1 or 0, redis.call('HGETALL', KEYS[2]), head[5] or '0'}
