-- End a membership in a project. Its owner stays: the files of a project without anybody would be the next one's who
-- thinks of its name.
--
-- KEYS[1] project      hash
--
-- ARGV[1] principal
--
-- Returns 0 if it is the owner, else 1.

if redis.call('HGET', KEYS[1], ARGV[1]) == 'owner' then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
