-- Enters revocations that the engine may have lost. One that was lifted stays lifted (publish.lua).
-- KEYS: head, revocations
-- ARGV: generation, then for each revocation: when it ends, member
-- Returns the places of those that are lifted; the first one has place 1. The number `r` tells the other machines to read
-- the revocations again (beat.lua).
local head = redis.call('HMGET', KEYS[1], 'g', 'r')
if head[1] ~= ARGV[1] then return redis.error_reply('MRESET another generation') end
local lifted, added = {}, 0
for i = 2, #ARGV, 2 do
  if redis.call('ZADD', KEYS[2], 'NX', ARGV[i], ARGV[i + 1]) == 1 then added = added + 1
  elseif tonumber(redis.call('ZADD', KEYS[2], 'XX', 'INCR', 0, ARGV[i + 1])) < 0 then lifted[#lifted + 1] = i / 2 end
end
if added > 0 then redis.call('HSET', KEYS[1], 'r', string.format('%.0f', tonumber(head[2] or 0) + 1)) end
return lifted
