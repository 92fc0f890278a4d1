-- Returns what a machine that has connected finds. Makes the hub if the engine does not have it.
-- KEYS: log, head
-- ARGV: a fresh generation, then what the machine knows: generation ("": nothing), number of its last entry, token of
--       that entry ("time writer counter"; "": none); its writer, the identity of the hub, the version of the format, the
--       bounds of its history, a fresh key for positions
-- Returns generation, newest number, oldest number, verdict, last counter of the writer, key for positions, the
-- bounds that the last machine to join had, the number of beat.lua that changes with the revocations.
local head = redis.call('HMGET', KEYS[2], 'g', 'n', 'w:' .. ARGV[5], 'i', 'v', 'b', 'k', 'r', 't')
local verdict, known = 'same', tonumber(ARGV[3])
if head[5] and tonumber(head[5]) ~= tonumber(ARGV[7]) then return redis.error_reply('MFORMAT ' .. head[5]) end
if head[1] and head[4] ~= ARGV[6] then return redis.error_reply('MIDENTITY ' .. tostring(head[4])) end
if not head[1] then
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[2], 'g', ARGV[1], 'n', 0, 'c', 0, 'i', ARGV[6], 'v', ARGV[7], 'k', ARGV[9])
  head = {ARGV[1], '0', false, ARGV[6], ARGV[7], false, ARGV[9]}
end
if head[6] ~= ARGV[8] then redis.pcall('HSET', KEYS[2], 'b', ARGV[8]) end -- not needed if the server refuses writes
local newest = tonumber(head[2])
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local oldest = first and tonumber(string.match(first[1], '^%d+')) or newest + 1
if ARGV[2] == '' then verdict = 'new'
elseif ARGV[2] ~= head[1] then
  verdict = 'reset' -- and how far the machines had read before: a machine that had read less has missed something
  local o = 'o:' .. ARGV[2]
  if known > tonumber(redis.call('HGET', KEYS[2], o) or 0) then redis.call('HSET', KEYS[2], o, ARGV[3]) end
elseif known > newest then verdict = 'lost'
elseif known + 1 < oldest then verdict = 'gap'
elseif known + 1 == oldest then -- the log has removed the machine's last entry, or another one with that number
  if first and ARGV[4] ~= '' and head[9] ~= ARGV[3] .. ' ' .. ARGV[4] then verdict = 'gap' end
elseif known >= oldest then
  local mine = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
  local time, origin = string.match(mine and mine[2][2] or '', '^(%d+) %d+ (.*)$')
  if not time or time .. ' ' .. origin ~= ARGV[4] then verdict = 'lost' end
end
return {head[1], head[2], string.format('%.0f', oldest), verdict, head[3] or '0', head[7] or '', head[6] or ARGV[8],
  head[8] or '0'}
