-- Remove a conversation: its log, its metadata, its client ids and its place among the unfinished turns.
--
-- KEYS[1] log          stream
-- KEYS[2] meta         hash
-- KEYS[3] clients      hash
-- KEYS[4] unfinished   sorted set
--
-- ARGV[1] conversation id
--
-- Returns how many keys went away.

redis.call('ZREM', KEYS[4], ARGV[1])
return redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
