-- A machine reports that it lives, and learns about the others.
-- KEYS: head, machines
-- ARGV: generation, machine, its value, the generation before the last reset ("": none)
-- Returns the newest number, how far any machine had read the generation before, and the machines with their values.
local head = redis.call('HMGET', KEYS[1], 'g', 'n', 'o:' .. ARGV[4])
if head[1] ~= ARGV[1] then return redis.error_reply('MRESET another generation') end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return {head[2], head[3] or '0', redis.call('HGETALL', KEYS[2])}
